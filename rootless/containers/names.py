"""Names of containers: which are allowed, and one for who gives none."""

from __future__ import annotations

import os

from rootless.errors import UsageError
from rootless.store.objects import is_name

_ADJECTIVES = (
    "airy amber apt autumn blithe bold bright brisk calm candid cheerful clear clever coral crisp "
    "curious dapper deft eager early earnest even fair fleet fluent fond frank fresh gentle glad "
    "golden grand hardy hazel honest humble jolly keen kind level lively lucid lunar mellow merry "
    "mild modest neat nimble noble patient plain placid polite prime proud quick quiet ready rosy "
    "serene sharp silver sincere smart snug solar solid spry steady stout sunny sure swift tender "
    "tidy tranquil trusty vivid warm wise witty zesty"
)

_SURNAMES = (
    "abel agnesi ampere anning avogadro bach bell bessel blackwell bohr boole bose braille brahe "
    "cantor cavendish celsius chandra clarke crick curie dalton darwin descartes dirac doppler "
    "eddington edison elion erdos euclid euler faraday fermat fermi feynman fibonacci fourier "
    "franklin galileo galois gauss germain goodall hamming hawking herschel hertz hilbert hopper "
    "hubble humboldt huygens hypatia joule kepler khayyam knuth lagrange lamarr laplace leavitt "
    "leibniz liskov lovelace mach maxwell meitner mendel mirzakhani napier newton noether ohm "
    "pascal pasteur pauling planck ptolemy ramanujan ride ritchie rubin sagan shannon somerville "
    "tesla thales turing volta wallace watt wiles wu yalow yonath"
)


def check_name(text: str) -> str:
    """Return `text` if it may name a container, else raise UsageError."""
    if not is_name(text):
        raise UsageError(
            f"invalid container name {text!r}",
            "names match [a-zA-Z0-9][a-zA-Z0-9_.-]* and have at most 255 characters",
            field="name",
        )
    return text


def random_name() -> str:
    """A name such as quiet_noether. The caller tries another where it is taken."""
    number = int.from_bytes(os.urandom(4), "little")
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    number, first = divmod(number, len(adjectives))
    return f"{adjectives[first]}_{surnames[number % len(surnames)]}"
