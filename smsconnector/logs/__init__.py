"""The process's log: which entries are written, in what form, and where to.

1. Every part of the connector writes to a ``twisted.logger.Logger``: a sentence, and what stands in it.
2. ``levels`` says by level and namespace which entries are wanted. That can be changed while the process runs.
3. ``lines`` makes a line of an entry: time, level, namespace, sentence, fields. Addresses of objects are taken out, and
   in a traceback what might be a number or a text of a customer.
4. ``writing`` writes it: to the journal of systemd with its priority (``journal``), as text for a terminal, or as JSON,
   one object a line, for whatever collects lines.

``starting`` chooses between these by what the process's output is, and by twistd's own options.
"""
