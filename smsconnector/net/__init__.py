"""Connections to peers, whatever they speak.

``link``              keeps one connection: makes it, and makes it again when it ends
``endpoints``         where a connection leads: to a host by TCP or TLS, or from a peer that connects to us
``name_lookups``      one look-up under way for each name, whoever waits for it
``hearing``           for how long a peer could be heard, which is what time-outs count
``http_client``       requests to HTTP servers, and whether one that failed can have reached its server
``http_connections``  when a connection to an HTTP server counts as made
``tls``               how a certificate is verified
``server_tls``        a port with a certificate of ours, which may be renewed
``shared_port``       a port at which several processes of this machine listen
"""
