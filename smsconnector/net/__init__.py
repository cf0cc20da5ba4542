"""Connections to peers, whatever they speak: ``link`` keeps one, ``tls`` makes and verifies them."""
