"""The envelope of profile hadeda-1: CBOR, COSE and the cryptography under it, one concern a file."""
