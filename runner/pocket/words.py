"""The words the embedded model knows, as a T5 tokenizer."""

import string

from transformers import T5Tokenizer

SPECIAL = ("<pad>", "</s>", "<unk>")
WORDS = (
    *("a", "an", "the", "on", "in", "it", "is", "and", "of", "to", "with", "from"),
    *("circle", "square", "triangle", "disc", "ball", "box", "shape"),
    *("red", "green", "blue", "yellow", "purple", "orange", "black", "white", "gray"),
    *("moves", "moving", "slides", "drifts", "goes", "flies", "rises", "falls", "sinks", "climbs"),
    *("grows", "shrinks", "growing", "shrinking", "expands", "swells", "larger", "smaller"),
    *("left", "right", "up", "down", "leftwards", "rightwards", "upwards", "downwards"),
    *("background", "over", "across", "towards", "becomes", "gets", "bigger", "side", "top"),
)
PRINTABLE = string.ascii_letters + string.digits + string.punctuation
WORD_SCORE, SPACE_SCORE, LETTER_SCORE = -4.0, -6.0, -9.0
MAX_TOKENS = 512


def tokenizer() -> T5Tokenizer:
    """Build the tokenizer: known words are one token each, everything else is spelt.

    Source:
        Unigram scores as SentencePiece writes them: a word beats its letters because one score of
        -4 is above any sum of -9s. A normalizer would be lost on reload, so capitalised words are
        words of their own.
    """
    words = [word for lower in WORDS for word in (lower, lower.capitalize())]
    vocabulary = [(special, 0.0) for special in SPECIAL]
    vocabulary += [(f"▁{word}", WORD_SCORE) for word in words]
    vocabulary += [("▁", SPACE_SCORE)]
    vocabulary += [(letter, LETTER_SCORE) for letter in PRINTABLE]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=MAX_TOKENS)
