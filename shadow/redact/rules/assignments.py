"""Secrets that stand after their name: `password: x`, `--password x`, `the password is x`, in many languages."""

import re
from typing import Final

from shadow.redact.placeholders import SECRET
from shadow.redact.spans import Span, non_ascii

_KEY_KINDS: Final = (
    "api", "access", "private", "account", "secret", "subscription", "signing", "encryption", "master", "auth",
    "client", "session", "functions", "deploy", "license", "shared",
)  # fmt: skip
#: Patterns for names of secrets, by a word in Latin-1 that each name contains. The text is searched for the
#: word first, and matched against the pattern only where the word occurs: few texts contain any.
_NAMES: Final = {
    word: re.compile(pattern, re.IGNORECASE)
    for word, pattern in {
        b"pass": r"passwor[dt](?:s|e|et)?|passwd|passphrase|passcode|passord(?:et)?"
        r"|(?<=mot de )passe|(?<=mots de )passe|(?<=motde)passe|(?<=palavra-)passe|(?<=mot_de_)passe"
        r"|(?<=[a-z0-9][_-])pass(?![a-z])|(?<=[?&])pass(?==)|(?<=--)pass(?![a-z])|(?<![\w-])pass(?=\s?[:=])",
        b"pwd": r"pwd",
        b"secret": r"secret(?:[_-]?key)?",
        b"key": "|".join(rf"(?<={kind})key|(?<={kind}[ _-])key" for kind in _KEY_KINDS),
        b"authorization": r"authorization",
        b"token": r"token",
        b"cookie": r"cookie",
        b"kennw": r"kennwort",
        b"wachtw": r"wachtwoord(?:en)?",
        b"senh": r"senha",
        b"contrase": r"contrase(?:ñ|n|%C3%B1)as?",
        b"adgangsk": r"adgangskode",
        b"salas": r"salasana",
        b"clav": r"clave",
        b"parol": r"parol(?:a d'ordine|ă|a|e)",
        b"hesl": r"heslo",
        b"hasl": r"haslo",
        b"mdp": r"(?<![a-z])mdp",
        b"pw:": r"(?<![a-z])pw",
        b"pw=": r"(?<![a-z])pw",
    }.items()
}
#: Names with letters that are not in Latin-1.
_OTHER_NAMES: Final = (
    "hasło", "şifre", "parolă", "пароль", "пароля", "паролем", "κωδικός", "κωδικος", "סיסמה", "סיסמא",
    "كلمة المرور", "كلمة السر", "पासवर्ड", "รหัสผ่าน", "密码", "密碼", "口令", "パスワード", "비밀번호", "암호",
    "mật khẩu",
)  # fmt: skip
_OTHER_LETTERS: Final = re.compile("[\u0100-\u1fff\u3040-\ud7ff]")
#: Names that are searched in texts that are not ASCII.
_LATIN_NAMES: Final = {word.encode("latin-1"): re.compile(word, re.IGNORECASE) for word in ("lösenord", "jelszó")}
#: The same for query parameters of URLs.
_PARAMETERS: Final = {
    word: re.compile(pattern, re.IGNORECASE)
    for word, pattern in {
        b"sig=": r"(?<=[?&;])sig",
        b"signature=": r"(?<=x-amz-)signature|(?<=x-goog-)signature",
    }.items()
}
#: Without these characters a text is half as long, and rules out nearly all words in half of the time.
_LEFT_OUT: Final = b" aeiou\n.,'\"()-0123456789"
_CONSONANTS: Final = {word: word.translate(None, _LEFT_OUT) for word in (*_NAMES, *_LATIN_NAMES, *_PARAMETERS)}
#: Words that prose also has before a colon. `token: word` is prose; `token: 4f6a…` is a secret.
_ALSO_PROSE: Final = frozenset({b"token", b"cookie", b"clav", b"parol"})
#: Words for other things too: after these, only what looks like a password is one.
_SHORT_NAMES: Final = frozenset({"pass", "pw", "mdp"})
#: After these, `is` and the like may stand before the value.
_SPOKEN: Final = frozenset(
    {
        b"pass",
        b"kennw",
        b"wachtw",
        b"senh",
        b"contrase",
        b"adgangsk",
        b"salas",
        b"clav",
        b"parol",
        b"hesl",
        b"key",
        b"token",
        b"secret",
        b"pwd",
    }
)
_QUOTE: Final = "\"'`“”„«»‘’"
_SCHEME: Final = r"(?:(?:basic|bearer|token|digest)[ ]{1,4})?"
#: A longer word is no word of a sentence, and replaced whole without further tests: these would take time for each
#: name inside of it.
_LONGEST: Final = 512
_REST_OF_WORD: Final = re.compile(r"""[^\s"'\\,;&<>{}()]*+""")
_ASSIGNED: Final = re.compile(
    r"""["'`\\*]{0,4}\s{0,4}(?::=|=>|[:=]|%3D|%3A)(?:\*\*|__)?\s{0,4}"""
    rf"""(?:(?:\[\s{{0,4}})?\\{{0,3}}["']{_SCHEME}(?P<quoted>[^"'\n]{{0,255}}[^"'\\\s])(?=\\{{0,3}}["'])"""
    rf"""|[“„«`]\s?(?P<typographic>[^{_QUOTE}\n]{{0,255}}[^{_QUOTE}\s])(?=\s?[{_QUOTE}])"""
    rf"""|["'\\*]{{0,4}}{_SCHEME}(?P<bare>[^\s"'\\,;&<>{{}}()]{{4,{_LONGEST}}}+))"""
    # {"name": "password", "value": "x"}} in JSON that is not complete, or in HTML
    rf"""|["'\\]{{1,4}}\s{{0,4}},?\s{{0,4}}["'\\]{{0,4}}value["'\\]{{0,4}}\s{{0,4}}[:=]\s{{0,4}}\\{{0,3}}["'](?P<beside>[^"'\n]{{0,255}}[^"'\\\s])(?=\\{{0,3}}["'])"""
    r"""|>(?P<element>[^<>\s]{1,255})(?=</)""",
    re.IGNORECASE,
)
#: In a URL even the shortest value of a parameter is its value.
_PARAMETER_VALUE: Final = re.compile(r"(?:=|%3D)(?P<value>[^\s\"'\\,;&<>{}()%]{1,255})", re.IGNORECASE)
_OPTION_BEFORE: Final = re.compile(r"(?:^|[\s\"'\[,])--?[\w-]{0,32}\Z")
_OPTION_VALUE: Final = re.compile(
    r"""(?:=|["'],?\s{0,3}["']|\s{1,3}["']?)(?P<value>[^\s"'`,;|<>\[\]{}()$-][^\s"'`|<>]{0,255})"""
)
_NETRC_BEFORE: Final = re.compile(r"\b(?:login|user|account)\s{1,4}\S{1,128}\s{1,4}\Z", re.IGNORECASE)
_NETRC_VALUE: Final = re.compile(r"\s{1,4}(?P<value>\S{1,128})")
_IS: Final = (
    r"(?:is now|is set to|(?:was|has been|is) (?:re)?(?:set|changed) to|ist jetzt|ahora es|is|was|are|be|to|ist|lautet"
    r"|war|es|era|est|était|è|é|jest|är|er|on|este|это|有|是|为|は|는|은|هي|है|->|→|['’]s)"
)
_FOR: Final = r"(?:(?: of| for| zu| für| de| para| pour| van)? [\w@./-]{1,40})?"
_SPOKEN_VALUE: Final = re.compile(
    rf"""{_FOR}\s{{0,3}}[:,]?\s{{0,2}}(?P<is>{_IS})(?:\s{{1,3}}|(?=[^\x00-\x7f])|:\s?|(?<=[是为は는은])){{1,2}}"""
    rf"""(?:[{_QUOTE}](?P<quoted>[^{_QUOTE}\n]{{3,128}})(?=[{_QUOTE}])|(?P<bare>[^\s{_QUOTE},;<>{{}}()]{{4,128}}))""",
    re.IGNORECASE,
)
#: `password for the database: x`
_VALUE_FOR: Final = re.compile(
    r"\s(?:for|to|of|für|zum|zur|del|de|da|do|du|pour|per|van|voor)\s[^\n:=.]{1,30}[:=]\s{1,2}"
    rf"[{_QUOTE}]?(?P<quoted>(?!))?(?P<bare>[^\s{_QUOTE},;<>{{}}()]{{4,128}})"
)
_BESIDE_VALUE: Final = re.compile(rf"\s{{1,2}}[{_QUOTE}]?(?P<bare>[^\s{_QUOTE},;<>{{}}()]{{6,128}})")

#: What stands in code or a schema where a password would stand, in lower case.
_NO_VALUES: Final = frozenset({
    "str", "string", "text", "char", "varchar", "bytes", "int", "integer", "bool", "boolean", "number", "object",
    "array", "any", "password", "passwort", "secretstr", "optional", "required", "nullable", "null", "none", "nil",
    "undefined", "true", "false", "void", "unknown", "hidden", "masked", "redacted", "removed", "omitted", "empty",
    "missing", "invalid", "incorrect", "wrong", "valid", "changed", "expired", "unchanged", "must", "should", "can",
    "cannot", "can't", "may", "will", "is", "are", "was", "not", "no", "the", "a", "an", "your", "my", "our", "his",
    "her", "its", "this", "that", "these", "click", "please", "enter", "type", "choose", "use", "see", "and", "or",
    "but", "with", "for", "from", "to", "in", "on", "at", "if", "when", "minimum", "maximum", "min", "max", "least",
    "too", "between", "forgot", "forgotten", "reset", "weak", "strong", "short", "ok", "yes", "erforderlich",
    "bitte", "muss", "darf", "falsch", "ungültig", "vergessen", "das", "der", "die", "ein", "eine", "ihr", "dein",
    "nicht", "geben", "wird", "wurde", "requerida", "requerido", "obligatoria", "debe", "incorrecta", "olvidada",
    "por", "el", "la", "los", "su", "una", "un", "obligatoire", "doit", "oublié", "le", "votre", "veuillez",
    "obrigatória", "deve", "incorreta", "sua", "obbligatoria", "errata", "inserire", "base64", "sha256", "sha-256",
    "sha1", "sha512", "bcrypt", "argon2", "argon2id", "md5", "utf-8", "plaintext", "getpass", "getenv", "input",
    "environ", "default", "example", "placeholder", "value", "todo", "tbd", "n/a", "na", "xxx", "function", "lambda",
    "self", "new", "await", "async", "return", "const", "let", "var", "final", "public", "private", "static",
    "requis", "requise", "verplicht", "обязательно", "обязателен", "неверный", "wymagane", "obligatorisk",
    "povinné", "zorunlu",
    "pakollinen", "kötelező", "påkrævet", "raise", "print", "throw", "assert",
})  # fmt: skip
_REFERENCE: Final = re.compile(
    r"\$[A-Z_][A-Z0-9_]*|%[A-Z_]+%|(?i:your[_-][\w-]+)|https?:.*|[*•·xX.#_-]{3,}"  # variables, addresses, masked
    r"|(?:self|this|os|process|config|settings|env|args|request|req|user|data|params|options|form|body|ctx|event|secrets|vault"
    r"|credentials|account|props|state|values?|field|fields|z|models|types|sa|db|schema|yup|validators?)\.[\w.\[\]]*"
    r"|[A-Za-z]*(?:_[A-Za-z]+)*_(?:password|passwd|pwd|secret|token|key)|[a-z]+(?:Password|Passwd|Pwd|Secret|Token|Key|Hash|Field|Input)"
    r"|(?:Optional|SecretStr|Annotated|List|Dict|Union)\[.*|\[[a-z]+\].*",
)
_VARIABLE: Final = re.compile(r"\$(?:[0-9]|\{[\w.:-]+\}|\([^)]*\)|[A-Z_]+)|%[A-Z_]+%|\{\{.*\}\}|<[\w -]+>")
_TECHNICAL: Final = re.compile(
    r"(?:sha|md|base|utf|argon|pbkdf|aes|rsa|scrypt|bcrypt|hex|ascii|iso|oauth|2fa|mfa|[0-9]+(?:st|nd|rd|th|x|-bit|-char|-digit|%))"
    r"[\w-]*|[0-9]{1,2}(?:[-–][0-9]+)?|v?[0-9]+(?:\.[0-9]+)+|[0-9]{4}-[0-9]{2}-[0-9]{2}|https?:.*",
    re.IGNORECASE,
)
_UNIT_AFTER: Final = re.compile(
    r"\s(?:char|digit|letter|symbol|byte|bit|day|hour|minute|second|month|time|zeichen|stellen|caract|car)",
    re.IGNORECASE,
)


def assignment_spans(text: str, lower: bytes) -> list[Span]:
    signs = ":" in text or "=" in text or "%3" in text or ">" in text
    spans: list[Span] = []
    names = _NAMES
    if "=" in text:
        names = names | _PARAMETERS
    if not text.isascii():
        names = names | _LATIN_NAMES
    consonants = lower.translate(None, _LEFT_OUT)
    for word, pattern in names.items():
        if _CONSONANTS[word] not in consonants:
            continue
        if not signs and word not in _SPOKEN:
            continue
        at = lower.find(word)
        while at >= 0:
            name = pattern.match(text, at)
            span = _value_after(text, at, name.end(), word) if name else None
            if span:
                spans.append((*span, SECRET))
            at = lower.find(word, span[1] if span else at + 1)
    if not text.isascii() and _OTHER_LETTERS.search(non_ascii(text)):
        spans += _after_other_names(text)
    return sorted(spans)


def _after_other_names(text: str) -> list[Span]:
    spans: list[Span] = []
    small = text.lower()
    if len(small) != len(text):  # a few capitals have two small letters
        small = text
    for word in _OTHER_NAMES:
        at = small.find(word)
        while at >= 0:
            span = _value_after(text, at, at + len(word), b"pass")
            if span:
                spans.append((*span, SECRET))
            at = small.find(word, span[1] if span else at + 1)
    return spans


def _value_after(text: str, start: int, end: int, word: bytes) -> tuple[int, int] | None:
    """The span of the secret after a name in [start, end) that contains `word`; None if there is none."""
    assigned = _ASSIGNED.match(text, end)
    if assigned:
        kind = assigned.lastgroup or ""
        value = assigned[kind]
        if kind == "bare" and len(value) == _LONGEST:
            rest = _REST_OF_WORD.match(text, assigned.end())
            return assigned.start("bare"), rest.end() if rest else assigned.end()
        if word in _ALSO_PROSE or (word == b"secret" and kind == "bare" and not text[start - 1 : start].isalnum()):
            accepted = is_random(value) or (word == b"secret" and _is_assignment_of_code(text, start, assigned))
        elif text[start:end].lower() in _SHORT_NAMES:
            accepted = not value.isdigit() and _is_chosen(value, text, assigned.end())
        else:
            accepted = not (_is_no_value(value, text, assigned.end()) if kind == "bare" else _VARIABLE.fullmatch(value))
        if not accepted:
            return None
        start, end = assigned.span(kind)
        # A full stop ends the sentence, and is no part of the value.
        return start, end - (kind == "bare" and value.endswith(".") and text[end : end + 1] in ("", " ", "\n"))
    if text[end : end + 1] in ("=", "%") and text[start - 1 : start] in ("?", "&", "_", ""):
        parameter = _PARAMETER_VALUE.match(text, end)
        if parameter and word not in _ALSO_PROSE:
            return parameter.span("value")
    before = text[max(0, start - 48) : start]
    if text[end : end + 1] in (" ", "=", '"', "'") and _OPTION_BEFORE.search(before):
        option = _OPTION_VALUE.match(text, end)
        if option and not _is_no_option(option["value"]):
            return option.span("value")
    if (
        word == b"pass"
        and (value_after := _NETRC_VALUE.match(text, end))
        and _NETRC_BEFORE.search(text, max(0, start - 140), start)
    ):
        return value_after.span("value")
    return _spoken(text, end, word) if word in _SPOKEN else None


def _is_assignment_of_code(text: str, start: int, assigned: re.Match[str]) -> bool:
    """Whether `secret` is part of a name such as `client_secret`, or stands before `=`."""
    return text[start - 1 : start] in ("_", "-", ".") or "=" in text[assigned.start() : assigned.start("bare")]


def _is_no_value(value: str, text: str, end: int) -> bool:
    """Whether an unquoted word is code, a type, a placeholder of documentation, or the next word of a sentence."""
    if value.endswith(":"):  # the name of the next field
        return True
    bare = value.rstrip(".!?|").lower()
    if bare in _NO_VALUES or _REFERENCE.fullmatch(value.rstrip("|")):
        return True
    return text[end : end + 1] in ("(", "<") and (value.isidentifier() or "." in value)


def _is_no_option(value: str) -> bool:
    return (
        value.lower().rstrip(".") in _NO_VALUES
        or (value.isupper() and value.isalpha())
        or _REFERENCE.fullmatch(value) is not None
        or (
            value.lower()
            in {"option", "flag", "file", "path", "argument", "parameter", "stdin", "prompt", "it", "as", "of", "by"}
        )
    )


def _spoken(text: str, end: int, word: bytes) -> tuple[int, int] | None:
    """The span of the value in a sentence such as `the password is hunter2`; None for `the password is required`."""
    found = _SPOKEN_VALUE.match(text, end)
    if found and found["quoted"]:
        return (
            found.span("quoted")
            if found["quoted"].lower() not in _NO_VALUES and _is_one_word(found["quoted"])
            else None
        )
    if not found:
        found = _VALUE_FOR.match(text, end)
    if not found and word == b"pass":
        found = _BESIDE_VALUE.match(text, end)
        if found and not (any(c.isdigit() for c in found["bare"]) and any(c.isalpha() for c in found["bare"])):
            return None
    if not found:
        return None
    bare = found["bare"].rstrip(".,;:)")
    if word in (b"key", b"token", b"secret") and not is_random(bare):
        return None
    return (
        (found.start("bare"), found.start("bare") + len(bare))
        if _is_chosen(bare, text, found.start("bare") + len(bare))
        else None
    )


def _is_one_word(text: str) -> bool:
    return len(text.split()) <= 4


def _is_chosen(word: str, text: str, end: int) -> bool:
    """Whether a word in a sentence is a password and no word of a language: it has digits, signs or mixed cases."""
    if len(word) < 4 or word.lower().rstrip("!?") in _NO_VALUES or _TECHNICAL.fullmatch(word) or word[:1] == "[":
        return False
    if word.isdigit():
        return len(word) >= 4 and not _UNIT_AFTER.match(text, end)
    letters = any(c.isalpha() for c in word)
    if any(c.isdigit() for c in word) and letters:
        return True
    return any(c in "!@#$%^&*+=~?_" for c in word[:-1]) or (word[1:] != word[1:].lower() and not word.isupper())


def is_random(text: str) -> bool:
    """Whether `text` is long and has a digit, which words before a colon do not have."""
    return len(text) >= 8 and any(c.isdigit() for c in text)
