"""What stands in place of what is private, by the built-in rules.

The patterns of `[redaction.patterns]` do not search placeholders, so all of them must be in `BUILT_IN`.
"""

from typing import Final

EMAIL: Final = "[email]"
PHONE: Final = "[phone]"
CARD: Final = "[card]"
IBAN: Final = "[iban]"
SECRET: Final = "[secret]"  # noqa: S105 - it stands in place of one

BUILT_IN: Final = (EMAIL, PHONE, CARD, IBAN, SECRET)
