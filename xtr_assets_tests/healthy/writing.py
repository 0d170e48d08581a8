"""Texts of a seed in many languages and manners, and real ones: what people put into an index."""

import random
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pydoc_data import topics
from typing import Literal

Language = Literal["en", "de", "zh", "ja", "th", "ar", "emoji", "mixed"]
LANGUAGES: tuple[Language, ...] = ("en", "de", "zh", "ja", "th", "ar", "emoji", "mixed")
# prose: sentences of topics. permutations: the same few words in every order. one: one text, again and again.
# duplicates: a third of the texts stand several times. real: documentation and code of the standard library.
# names: texts of two words.
Manner = Literal["prose", "permutations", "one", "duplicates", "real", "names"]
MANNERS: tuple[Manner, ...] = ("prose", "permutations", "one", "duplicates", "real", "names")

_LETTERS: dict[Language, str] = {
    "zh": (
        "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么"
        "心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长"
    ),
    "ja": (
        "のにはをたがでてとしれさあるいもするからなことおりまいやにつけてそれよ日本人大年会国中上出生時自間子行学"
        "語東京新聞世界水火木金土道電車駅前後今何食飲見"
    ),
    "th": "กขคงจฉชซญดตถทนบปผพมยรลวสหอาิีืุูเแโไ",
}
_WORDS: dict[Language, str] = {
    "ar": (
        "كتاب مدرسة بيت ماء سماء طريق مدينة قلم باب نافذة شجر"
        "ة جبل بحر نهر يوم ليلة شمس قمر صديق عمل لغة كلمة سؤا"
        "ل جواب علم تاريخ"
    ),
    "de": (
        "Straße Übung Maß Fluß Tür Schlüssel Gerät Wörter Zug"
        " Bahnhof Fahrkarte Prüfung Verzeichnis Datei Zeile F"
        "ehler Lösung Änderung Größe"
    ),
    "emoji": "😀 🚀 🔥 🎉 🐍 🍎 🌍 💾 📦 🧪 🔧 🗂 ✅ ❌ ⚙️ 🕒",
}
_STOPS: dict[Language, str] = {"zh": "。", "ja": "。", "th": " ", "ar": ". ", "emoji": " "}


class Writer:
    """Texts of one project; the same seed writes the same."""

    def __init__(self, seed: int, language: Language, manner: Manner) -> None:
        self.random = random.Random(seed)
        self.language, self.manner = language, manner
        syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "ai", "en", "or")]
        self._latin = ["".join(self.random.choices(syllables, k=self.random.choice((1, 2, 2, 3)))) for _ in range(2500)]
        self._weights = [1 / (rank + 10) for rank in range(len(self._latin))]
        self._few = self.words(6)
        self._only = self.prose(3)
        self._kept: list[str] = []

    def text(self) -> str:
        """The next text."""
        made = self._next()
        if self.manner == "duplicates" and self._kept and self.random.random() < 0.35:
            return self.random.choice(self._kept)
        self._kept = [*self._kept[-50:], made]
        return made

    def title(self) -> str:
        return " ".join(self.words(3)) if self.manner != "one" else "The one"

    def query(self) -> str:
        """What a user would ask."""
        return self._joined(self.words(5))

    def words(self, count: int) -> list[str]:
        language: Language = self.language
        if language == "mixed":
            language = self.random.choice(LANGUAGES[:-1])
        if language in _LETTERS:
            return [
                "".join(self.random.choices(_LETTERS[language], k=self.random.choice((1, 2, 2, 3))))
                for _ in range(count)
            ]
        if language in _WORDS and (language != "de" or self.random.random() < 0.5):
            own = _WORDS[language].split()
            return [self.random.choice(own) for _ in range(count)]
        return self.random.choices(self._latin, self._weights, k=count)

    def prose(self, sentences: int) -> str:
        stop = _STOPS.get(self.language, ". ")
        return "".join(self._joined(self.words(self.random.randint(5, 18))) + stop for _ in range(sentences)).strip()

    def _joined(self, words: list[str]) -> str:
        return ("" if self.language in _LETTERS else " ").join(words)

    def _next(self) -> str:
        makers: dict[Manner, Callable[[], str]] = {
            "prose": lambda: self.prose(self.random.randint(1, 5)),
            "duplicates": lambda: self.prose(self.random.randint(1, 4)),
            "permutations": lambda: self._joined(self.random.sample(self._few, len(self._few))),
            "one": lambda: self._only,
            "real": lambda: self.random.choice(documentation()),
            "names": lambda: " ".join(self.words(2)),
        }
        return makers[self.manner]()


@cache
def documentation() -> tuple[str, ...]:
    """Paragraphs of Python's reference, as pydoc keeps it."""
    found = [part.strip() for text in topics.topics.values() for part in text.split("\n\n")]
    return tuple(sorted({part for part in found if 60 < len(part) < 1500}))


@cache
def modules() -> tuple[Path, ...]:
    """Modules of the standard library of a readable size."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    return tuple(sorted(path for path in folder.glob("*.py") if 2_000 < path.stat().st_size < 60_000))
