"""Text <-> segments: the alphabets of GSM 03.38, the user data header of GSM 03.40, and the cutting of long texts."""
