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

    def test_english_everywhere(self) -> None:
        """STOP, START and HELP are what networks and their rules tell every customer, in whatever country."""
        for language in LANGUAGES:
            rules = OptOutRules(words_of([language], {}))
            for text, wish in (("Stop.", Wish.STOP), ("START", Wish.START), ("help!", Wish.HELP)):
                self.assertIs(rules.wish(text), wish, language)
        self.assertIs(OptOutRules(words_of([], {})).wish("STOP"), Wish.STOP)

    def test_own_words_count_before_stop(self) -> None:
        """Where an operator says that START means something else."""
        self.assertIs(words_of(["de"], {Wish.STOP: ["start"]})["start"], Wish.STOP)

    def test_letter_forms(self) -> None:
        """The Arabic script of keyboards: yeh and kaf as Arabs, Persians and Urdu writers type them, the letters'
        presentation forms, vowel marks and the stretch. (As Lucene's ArabicNormalizer folds them.)"""
        urdu, arabic = OptOutRules(words_of(["ur"], {})), OptOutRules(words_of(["ar"], {}))
        for text in ("بند کریں", "بند كريں", "بند كرىں", "بند\u00a0کریں", "رُوکیں", "روكيں", "بنـــد"):
            self.assertIs(urdu.wish(text), Wish.STOP, text)
        for text in ("إِيقَاف", "ایقاف", "أيقاف", "توقف.", "\ufe97\ufeed\ufed7\ufed2"):
            self.assertIs(arabic.wish(text), Wish.STOP, text)

    def test_what_is_not_seen(self) -> None:
        """Soft hyphens, marks of direction, joiners and a byte order mark say nothing, wherever they are."""
        rules = OptOutRules(words_of(["en", "ur"], {}))
        for text in (
            "ST\u00adOP",
            "\u200fSTOP\u200e",
            "S\u200bTOP",
            "\ufeffstop",
            "بند\u200c کریں",
            "stop\u2060",
            "stop\ufe0f",
        ):
            self.assertIs(rules.wish(text), Wish.STOP, ascii(text))

    def test_combining_marks_belong_to_the_word(self) -> None:
        """The vowel at the end of a Hindi or Thai word is a letter of it."""
        rules = OptOutRules(words_of([], {Wish.STOP: ["रोकें", "หยุด"], Wish.START: ["ชุดี"]}))
        self.assertIs(rules.wish("रोकें।"), Wish.STOP)
        self.assertIs(rules.wish("“หยุด”"), Wish.STOP)
        for text in ("रोक", "रोको", "रोकी", "ชุด", "หยด"):
            self.assertIsNone(rules.wish(text), text)

    def test_accents(self) -> None:
        """With the accent as a mark of its own, too; and around it what people put there."""
        rules = OptOutRules(words_of(["fr"], {}))
        for text in ("ARRE\u0302T", "Arrêt !", "«arrêt»", "arrêt 🙏", "*ARRET*", "_arret_", "stop…", "stop\x00"):
            self.assertIs(rules.wish(text), Wish.STOP, text)
        for text in ("1. stop", "stop 1", "st0p", "²stop"):
            self.assertIsNone(rules.wish(text), text)

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
