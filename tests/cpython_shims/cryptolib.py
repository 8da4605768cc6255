"""MicroPython's `cryptolib` over the `cryptography` package: AES in ECB and CBC, whole blocks only."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_MODE_ECB = 1
_MODE_CBC = 2


class aes:
    """One cipher object; CBC chains over successive calls, an object encrypts or decrypts but not both."""

    def __init__(self, key: bytes, mode: int, iv: bytes | None = None) -> None:
        if len(key) not in (16, 32):
            raise ValueError("key")
        if mode == _MODE_ECB:
            chosen: modes.ECB | modes.CBC = modes.ECB()
        elif mode == _MODE_CBC:
            if iv is None or len(iv) != 16:
                raise ValueError("IV")
            chosen = modes.CBC(bytes(iv))
        else:
            raise ValueError("mode")
        cipher = Cipher(algorithms.AES(bytes(key)), chosen)
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()

    def encrypt(self, data: bytes | bytearray) -> bytes:
        if len(data) % 16:
            raise ValueError("blksize % 16")
        return self._encryptor.update(bytes(data))

    def decrypt(self, data: bytes | bytearray) -> bytes:
        if len(data) % 16:
            raise ValueError("blksize % 16")
        return self._decryptor.update(bytes(data))
