"""The simulator: real boards, a real city and everything between them in one virtual time, from one seed."""
