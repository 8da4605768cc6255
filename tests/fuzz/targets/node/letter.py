"""The plaintext of a letter that was sealed with the node's key: everything behind the cipher."""

from node_stage import Stage, believing, signed

from envelope import cbor, labels, padding


def one_input(data):
    stage = Stage()
    with believing():
        stage.mailbox.handle(stage.topic, stage.letter(data))
    return not stage.mailbox.failures


def seeds():
    command = {
        labels.COMMAND_NUMBER: 1,
        labels.COMMAND_OPERATION: labels.OPERATION_LOCATE,
        labels.COMMAND_LAST_EPOCH: 9,
        labels.COMMAND_ARGUMENTS: {},
    }
    letters = (
        {labels.LETTER_HEARD: 0, labels.LETTER_THROUGH: 3, labels.LETTER_TIME: 1654041600},
        {labels.LETTER_HEARD: 7, labels.LETTER_CHALLENGE: b"8 bytes!"},
        {labels.LETTER_HEARD: 7, labels.LETTER_COMMAND: signed(cbor.encode(command))},
    )
    return [signed(padding.pad(cbor.encode(letter), labels.PAYLOAD_MIN)) for letter in letters]
