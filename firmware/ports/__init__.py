"""The only package that touches machine, network, esp32, time and os.urandom; everything else is passed these."""
