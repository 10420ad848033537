"""Words and phrases that the project does not use, each with the reason and the words to use instead.

They are private coinages, riddles, or old-fashioned English that a newcomer has to decode. Code in backticks is exempt:
names on the wire, of metrics and of columns stay.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Term:
    """One banned phrase: a regular expression, why it is banned, and what to write instead."""

    pattern: str
    reason: str
    instead: str
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(rf"(?<![\w-])(?:{self.pattern})(?![\w-])", re.IGNORECASE))


_RIDDLE = "a riddle where a noun says what is meant"
_PERSON = "a person where a role, a component or the passive is meant"
_SPEECH = "programs do not talk"
_COINAGE = "a private coinage"
_QUAINT = "old-fashioned English"

TERMS: tuple[Term, ...] = (
    # People and speech.
    Term("nobody|no one|noone", _PERSON, "name the component: no consumer, no worker, no user; or rephrase"),
    Term("somebody|someone|anybody|everybody", _PERSON, "a client, an operator, a user, every user"),
    Term("whoever|whomever|whosever", _PERSON, "the consumer, the process that …, a client that …"),
    Term("tells|told|telling|is told|untold", _SPEECH, "reports, returns, notifies, shows, publishes"),
    Term("says so|said so|say so|is said|was said|be said|being said|said of|unsaid", _SPEECH, "logs it, reports it"),
    Term("hears? of|heard of|learns? of|never learns", _SPEECH, "receives, notices, is notified of"),
    Term("speaks? (?:http|to|sqs|sns|json|postgresql)", _SPEECH, "uses, calls, handles"),
    Term("is at it|at it since", _RIDDLE, "acknowledged by"),
    Term("strangers?", _PERSON, "other clients, anonymous clients, third parties"),
    # Coinages of the table of names.
    Term("in hand", _COINAGE, "in flight, held, claimed, being delivered"),
    Term("tak(?:e|es|en|ing) in|took in|taken in|intake of", _COINAGE, "ingest, receive"),
    Term("hungry|starving", _COINAGE, "needs_refill, waiting_for_slot"),
    Term("unwell", _COINAGE, "degraded"),
    Term("hindered|hindrances?", _COINAGE, "not sent, the cause"),
    Term("bur(?:y|ies|ied)", _COINAGE, "dead-letter"),
    Term("hurr(?:y|ies|ied)", _COINAGE, "retry now"),
    Term("seizes?|seized", _COINAGE, "lease, claim"),
    Term("unseal(?:s|ed)?|reseal(?:s|ed|ing)?|seal(?:s|ed|ing)?", _COINAGE, "encrypt, decrypt, key rotation"),
    Term("manieth", _RIDDLE, "ordinal"),
    Term("troubles?", _COINAGE, "operational events, failures, errors"),
    Term("patien(?:ce|t|tly)", _COINAGE, "startup wait, waits up to …"),
    Term("precedence of priorities|gives? way|gave way|given way", _COINAGE, "waits for, is replaced by"),
    Term("the house", _COINAGE, "the project, the repository"),
    Term("papers?", _COINAGE, "documents, pages"),
    # Riddles: a clause where a noun belongs.
    Term("whatever befalls?|befall(?:s|en)?|befell", _QUAINT, "whatever happens, under any …"),
    Term("meets? itself", _RIDDLE, "resolves to the same event id"),
    Term("knows? all|knowing one", _RIDDLE, "all services use the same layers"),
    Term("further than it knows", _RIDDLE, "a newer schema"),
    Term(
        "what (?:be)?came of|what comes of|what becomes? of|what became of|came of it",
        _RIDDLE,
        "the result, the outcome of",
    ),
    Term("what (?:waits|waited|is waiting)", _RIDDLE, "pending events, waiting deliveries"),
    Term(
        "what (?:is|was|are|were|has|had|have|may|comes|came|goes|went|fails|failed|fires|fired|stands|stood|lies|"
        "belongs|can|does|needs|follows|happened|waits)"
        "(?= (?:be |been |not |to |already |still |once |now |ahead |behind |in |under |over |late |due |asked|said|"
        "kept|sent|left|given|done|made|taken|held|put|claimed|wrong|there|open|new|old|past|known|gone|lost))",
        _RIDDLE,
        "a noun: due events, pending deliveries, kept rows",
    ),
    Term("so many", _RIDDLE, "the number, n"),
    Term("how many(?:eth)? there are of|as many as there are", _RIDDLE, "the number of"),
    Term("goes? on|went on|going on|gone on", "vague", "continues, resumes"),
    Term("left alone|leaves? (?:it|them|him|her|alone|be) alone|let alone", "vague", "unchanged, skipped, bypassed"),
    Term("anew", _QUAINT, "again"),
    Term("for want of|in want of", _QUAINT, "without, because … is missing"),
    Term("lest|whence|thence|thereby|thereupon|whereupon|therein|wherein", _QUAINT, "so, because, from there"),
    Term("ere|oft|nigh|naught|aught|unto|upon", _QUAINT, "a current word"),
    Term("wish(?:es|ed)?", _PERSON, "preferences, options, requests"),
    Term("dear(?:er|ly)?(?! sir)", _QUAINT, "expensive"),
    Term("worked? off|works? off|working off", "not idiomatic", "process, process in batches"),
    Term("looks? (?:after|upon)|looked (?:after|upon)", _QUAINT, "maintains, checks"),
    Term("looks? for (?:itself|themselves)", _RIDDLE, "checks"),
    Term("thrown? away", "vague", "discard, drop, delete"),
    Term("by and by|at last|in vain|of late|all the same|none the less|nonetheless", _QUAINT, "finally, nevertheless"),
    Term("while which|during which time|as it then is|as they then are", "not idiomatic", "name the time"),
    Term(
        "is away|are away|was away|been away|be away|that is away",
        "not idiomatic",
        "is down, is unreachable, is unavailable",
    ),
    Term("a try|tries(?= (?:left|used|it had))|first try|last try|next try|no try|second try", _COINAGE, "an attempt"),
    Term("(?<!don't )forgets?|forgot|forgotten|forgetting", "programs do not remember", "deletes, erases, drops"),
    Term("obeys?|obeyed", "programs do not obey", "respects, uses"),
    Term("waits? aside|put aside", _COINAGE, "skipped and kept"),
    Term("once in effect", "not idiomatic", "effectively once"),
    Term("under ?way", "vague", "in flight, in progress"),
    Term("cost(?:s)? nobody|costs? no(?:thing| one)", _RIDDLE, "name the effect"),
    Term("by itself again|by themselves again", _RIDDLE, "automatically"),
)
