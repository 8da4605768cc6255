"""The content of a signed command: executed, refused or Rejected, whatever the map says."""

from firmware.city_pen import floor_map
from node_stage import PEN, Stage, believing, signed

from envelope import cbor, labels
from envelope.errors import Rejected


def one_input(data):
    stage = Stage()
    with believing():
        try:
            answer = stage.commands.take(signed(data), 0)
        except Rejected:
            return False
    stage.commands.session_over()
    stage.keychain.pending_ready()
    if answer is None:
        return stage.keychain.secrets.candidate is not None  # it has to prove itself before there is an answer
    return answer[1] == labels.RESULT_DONE


def seeds():
    policy = signed(cbor.encode(PEN.policy_map(version=2)))
    floor = signed(cbor.encode(floor_map(version=2)))
    network = {
        labels.SET_NETWORK_SSID: "street",
        labels.SET_NETWORK_WIFI_PASSWORD: "12345678",
        labels.SET_NETWORK_HOST: "broker",
        labels.SET_NETWORK_PORT: 8883,
        labels.SET_NETWORK_USER: "node",
        labels.SET_NETWORK_PASSWORD: "p",
    }
    return [
        _command(labels.OPERATION_LOCATE),
        _command(labels.OPERATION_REBOOT),
        _command(labels.OPERATION_REPORT_NOW),
        _command(labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 3600}),
        _command(labels.OPERATION_SET_POLICY, {labels.SET_POLICY_POLICY: policy}),
        _command(labels.OPERATION_SET_POLICY, {labels.SET_POLICY_POLICY: policy, labels.SET_POLICY_FLOOR: floor}),
        _command(labels.OPERATION_SET_POLICY, {labels.SET_POLICY_FLOOR: floor, labels.SET_POLICY_RELEASE: floor}),
        _command(labels.OPERATION_SET_NETWORK, network),
        _command(labels.OPERATION_ROTATE),
        _command(labels.OPERATION_ROTATE, {labels.ROTATE_KEYS: {1: PEN.authorities[1]}, labels.ROTATE_IDENTITY: 1}),
    ]


def _command(operation, arguments=None):
    return cbor.encode({
        labels.COMMAND_NUMBER: 1,
        labels.COMMAND_OPERATION: operation,
        labels.COMMAND_LAST_EPOCH: 9,
        labels.COMMAND_ARGUMENTS: arguments or {},
    })  # fmt: skip
