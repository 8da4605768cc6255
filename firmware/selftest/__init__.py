"""Programs that the host sends over the cable for a self-test, made of the node's own modules.

Nothing of them is shipped or stays: each is run once at the REPL, prints one line, SELFTEST and a map in JSON, and is
gone with the next soft reset. They judge nothing, which is the host's (hadeda/selftest), and name no secret. What the
node itself has no use for (a radio's level, what a bus does, headers of flash pages) they ask the hardware directly.
"""
