"""Secure elements: chips that make the identity key, keep it and sign with it. Sent to boards that have one."""
