"""What lies in the node's mailbox, as the broker may change it: counted and forgotten when it is no letter."""

from node_stage import NUMBER, PEN, Stage, believing, signed

from envelope import cbor, labels, padding


def one_input(data):
    stage = Stage()
    with believing():
        stage.mailbox.handle(stage.topic, data)
    return bool(data) and not stage.mailbox.failures


def seeds():
    stage = Stage()
    plain = {labels.LETTER_HEARD: 0}
    return [
        stage.letter(signed(padding.pad(cbor.encode(plain), labels.PAYLOAD_MIN))),
        PEN.letter(stage.keychain, NUMBER, heard=3, challenge=b"8 bytes!"),
    ]
