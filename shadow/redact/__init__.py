"""Take personal data and secrets out of text and JSON before it leaves the process.

Two aims pull against each other. Nothing private may pass, and nothing else may change: an
order number that turns into `[phone]` spoils the very comparison we mirror for. So numbers
are replaced only where their shape, and a check digit where there is one, says what they are.

Every rule runs in time linear in the text. A rule first looks for a short literal or a class
of characters, which the regex engine does at the speed of a memory scan, and only then reads
on, over a bounded length or possessively (`++`: no backtracking). A megabyte of base64 or an
adversary's text costs no more than a megabyte of prose.
"""

from shadow.redact.redactor import Redactor

__all__ = ["Redactor"]
