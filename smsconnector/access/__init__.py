"""Who may do what, and who did: API keys and the audit, in a small database of their own.

The store's database has one writer, the daemon. Keys are made and revoked by the command line while the daemon runs. So
they have a file of their own beside it, into which both write: a transaction each, and one waits for the other.

1. ``keys``      what a key looks like, what it may do, and how it is hashed
2. ``file``      the file: keys, and the audit, which is only added to
3. ``chain``     the hashes that chain the rows of the audit
4. ``ring``      the keys in memory: a key that was seen before costs a look into a dict, another one a hash in a thread
5. ``guesses``   addresses that come with wrong keys are slowed down
6. ``keeper``    the daemon's side: notices within a second what the command line has changed, and writes the audit

The reactor's thread neither hashes nor touches the file, but for the start.
"""
