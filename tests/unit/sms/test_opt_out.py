"""Words by which a customer opts out, and which texts are none."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sms.addresses import number_tail, same_subscriber
from smsconnector.sms.opt_out import LANGUAGES, OptOutRules, Wish, normal_word, words_of


class WordsCase(SynchronousTestCase):
    def test_words(self) -> None:
        """Case, punctuation, quotes, blanks and wide letters don't count (as Twilio and the carriers have it)."""
        rules = OptOutRules(words_of(["en", "ur", "ar"], {}))
        for text in (
            "STOP",
            " Stop!\n",
            "“stop all”",
            "ＳＴＯＰ",
            "Opt-Out",
            "stop  all",
            "بند کریں۔",
            "إيقاف",
            "UNSUBSCRIBE.",
        ):
            self.assertIs(rules.wish(text), Wish.STOP, text)
        for text, wish in (("start", Wish.START), ("Help?", Wish.HELP), ("madad", Wish.HELP)):
            self.assertIs(rules.wish(text), wish, text)

    def test_other_texts(self) -> None:
        """A sentence with such a word in it is no wish, and neither is nothing."""
        rules = OptOutRules(words_of(list(LANGUAGES), {}))
        for text in ("please stop", "stop it", "", "...", "don't stop", "stopped", "s t o p", "stop" + " " * 60):
            self.assertIsNone(rules.wish(text), text)

    def test_own_words(self) -> None:
        """One's own words count before those of the languages."""
        words = words_of(["en"], {Wish.STOP: ["Kein SMS"], Wish.START: ["Info"]})
        self.assertEqual((words["kein sms"], words["info"], words["help"]), (Wish.STOP, Wish.START, Wish.HELP))

    def test_tables(self) -> None:
        """No word says two things within a language, and each is as texts are compared."""
        for language, table in LANGUAGES.items():
            words = [normal_word(word) for words in table.values() for word in words]
            self.assertEqual(len(set(words)), len(words), language)
            self.assertTrue(all(words), language)


class SubscriberCase(SynchronousTestCase):
    def test_same(self) -> None:
        """National and international spellings are of one subscriber; and have one tail."""
        for left, right in (("+923001234567", "923001234567"), ("03001234567", "923001234567"), ("8228", "8228")):
            self.assertTrue(same_subscriber(left, right), left)
            self.assertTrue(same_subscriber(right, left), left)
            self.assertEqual(number_tail(left), number_tail(right))

    def test_others(self) -> None:
        """Who shares the last digits only is somebody else."""
        others = [("12125551234", "14155551234"), ("5551234", "12125551234"), ("", ""), ("8228", "18228"), ("0", "00")]
        for left, right in others:
            self.assertFalse(same_subscriber(left, right), left)
