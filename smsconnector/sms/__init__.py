"""Texts to segments, and the segments of handsets back to texts.

``alphabet``         octets of every alphabet, by name and by data_coding; ``septets`` and ``shift_tables`` those of
                     GSM 03.38 and its national languages
``choice``           which alphabet a text goes in; ``transliteration`` what is near in a smaller one
``segmentation``     cutting a text, and the user data of each part
``addresses``        numbers and senders, as people write them and as networks do
``udh``              the user data header of GSM 03.40; ``user_data`` reading it with what follows
"""
