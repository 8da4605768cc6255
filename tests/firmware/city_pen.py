"""The city's end of the downlink, for tests: its keys, and letters and commands written with them."""

from binascii import hexlify

from firmware.fakes import Flash, Retained

from envelope import cbor, cose, ecdsa, keys, labels
from envelope.drbg import Drbg
from node import counter, ledger
from node.keychain import Keychain
from node.keystore import Secrets, open_keystore


class Pen:
    """A key pair (private, public) for every role; `authorities` are the public ones."""

    def __init__(self, seed=b"c"):
        self.drbg = Drbg(seed * 32)
        self.keys = {role: ecdsa.make_key(self.drbg) for role in labels.ROLES}

    @property
    def authorities(self):
        return {role: self.keys[role][1] for role in self.keys}

    def command(self, node_id, number, operation, arguments=None, last_epoch=1000, role=labels.ROLE_COMMAND):
        return self.signed(
            node_id,
            {
                labels.COMMAND_NUMBER: number,
                labels.COMMAND_OPERATION: operation,
                labels.COMMAND_LAST_EPOCH: last_epoch,
                labels.COMMAND_ARGUMENTS: arguments or {},
            },
            role,
        )

    def signed(self, node_id, payload, role=labels.ROLE_COMMAND):
        """Anything that CBOR takes, signed as a command."""
        aad = cbor.encode([labels.PROFILE, "command", node_id])
        return cose.sign1(cbor.encode(payload), aad, self.keys[role][0], self.drbg)

    def policy(self, role=labels.ROLE_POLICY, **changes):
        """A signed policy for this pen's city; `changes` by the names of labels.POLICY_*, in lower case."""
        return self.sign(cbor.encode(self.policy_map(**changes)), "policy", role)

    def policy_map(self, **changes):
        content = {
            labels.POLICY_CITY: keys.thumbprint(self.keys[labels.ROLE_POLICY][1]),
            labels.POLICY_VERSION: 1,
            labels.POLICY_WINDOW: 900,
            labels.POLICY_CHANNELS: [1, 2, 3, 4, 5, 6],
            labels.POLICY_CELLS: CELLS,
            labels.POLICY_K: 5,
            labels.POLICY_EPSILON_RELEASE: 500000,
            labels.POLICY_EPSILON_DAY: 48000000,
            labels.POLICY_NAME: "street",
        }
        return _changed(content, "POLICY_", changes)

    def floor(self, role=labels.ROLE_POLICY, context="floor", **changes):
        """A signed floor; `changes` by the names of labels.FLOOR_*, in lower case."""
        return self.sign(cbor.encode(floor_map(**changes)), context, role)

    def release(self, node_id, role=labels.ROLE_RELEASE, **changes):
        """The second signature over a floor, for one node."""
        return self.sign(cbor.encode(floor_map(**changes)), "release", role, node_id)

    def sign(self, payload, context, role=labels.ROLE_POLICY, *bound):
        aad = cbor.encode([labels.PROFILE, context] + list(bound))  # noqa: RUF005 (MicroPython)
        return cose.sign1(payload, aad, self.keys[role][0], self.drbg)

    def letter(
        self,
        node,
        number,
        command=None,
        heard=0,
        challenge=None,
        through=None,
        role=labels.ROLE_RECEIPT,
        city_s=None,
    ):
        letter = {labels.LETTER_HEARD: heard}
        if city_s is not None:
            letter[labels.LETTER_TIME] = city_s
        if command is not None:
            letter[labels.LETTER_COMMAND] = command
        if challenge is not None:
            letter[labels.LETTER_CHALLENGE] = challenge
        if through is not None:
            letter[labels.LETTER_THROUGH] = through
        return self.sealed(node, number, letter, role)

    def sealed(self, node, number, letter, role=labels.ROLE_RECEIPT, direction=labels.DIRECTION_DOWN):
        """A letter of any content; `node` has epoch, epoch_keys and node_id."""
        private, public = self.keys[role]
        return cose.seal(
            cbor.encode(letter),
            node.epoch_keys,
            node.epoch,
            direction,
            number,
            keys.thumbprint(public),
            node.node_id,
            private,
            self.drbg,
        )


CELLS = {
    labels.CELLS_CLASSES: ["vehicle"],
    labels.CELLS_DIRECTIONS: ["approaching", "receding"],
    labels.CELLS_SPEED_BANDS: [30, 50, 70],
}


def floor_map(**changes):
    """The floor that tests give a node."""
    content = {
        labels.FLOOR_WINDOW: 60,
        labels.FLOOR_K: 3,
        labels.FLOOR_EPSILON_RELEASE: 1000000,
        labels.FLOOR_EPSILON_DAY: 96000000,
        labels.FLOOR_CHANNELS: [],
        labels.FLOOR_SOURCES: [labels.SOURCE_FOOTFALL],
        labels.FLOOR_VERSION: 1,
    }
    return _changed(content, "FLOOR_", changes)


def _changed(content, prefix, changes):
    """With other values; None takes one away."""
    for name in changes:
        label = getattr(labels, prefix + name.upper())
        content[label] = changes[name]
        if changes[name] is None:
            del content[label]
    return content


class Address:
    """Where a letter goes: an epoch of a node."""

    def __init__(self, epoch, epoch_keys, node_id):
        self.epoch = epoch
        self.epoch_keys = epoch_keys
        self.node_id = node_id


class Node:
    """What a node keeps over resets; `boot` opens its keychain."""

    def __init__(self, pen, seed=b"n"):
        self.flash = Flash()
        self.retained = Retained()
        self.drbg = Drbg(seed * 32)
        private, public = ecdsa.make_key(self.drbg)
        secrets = Secrets(private, public, pen.authorities, 1, self.drbg.generate(32), 1, 1)
        secrets = secrets.changed(policy=cbor.encode(pen.policy_map()), floor=cbor.encode(floor_map()))
        ledger.create(self.flash, keys.thumbprint(public))
        counter.create(self.flash, keys.epoch(secrets.root, 1).kid)
        open_keystore(self.flash, None).save(secrets)

    def boot(self):
        return Keychain(open_keystore(self.flash, None), self.flash, self.retained)

    def memory(self):
        """All that is kept, to see whether something changed."""
        return dict(self.flash.files), dict(self.flash.values), self.retained.data


class Led:
    """ports.led"""

    def __init__(self):
        self.blinks = []

    def blink(self, seconds):
        self.blinks.append(seconds)


def topic(keys_of_epoch):
    return "hadeda/down/" + hexlify(keys_of_epoch.kid).decode()
