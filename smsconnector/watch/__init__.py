"""How it goes, told without being asked: a line a minute, what is wrong, and STATUS= of systemd.

1. Every ``LOOK`` seconds ``watching`` takes a reading of the figures, and asks the store what waits, if something does.
2. ``situations`` finds what is wrong with a channel from what happened in the last minutes: all texts fail, the network
   takes none, no receipt comes, nothing moves though texts wait. Each is told at once, then once a minute while it
   lasts, and when it is over.
3. ``words`` makes a line of the last minute if anything moved or waits. Where nothing does, the log says so once an
   hour: so alive and dead never look the same.
"""
