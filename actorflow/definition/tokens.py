"""The grammar of conditions: a text becomes a small tree, once, when a connection is made. Not here: what the tree means
(`expression.py`). A tokenizer of one regular expression, linear in the text, and a Pratt parser.

    or ||   <   and &&   <   not   <   == != < <= > >= in, not in, contains   <   + -   <   * /   <   - ! (before an operand)

Comparisons do not chain (`1 < 2 < 3` is refused); `!` binds tightly, as where it comes from, so `!a == b` is `(!a) == b`. A
path is a root and any number of `.name`, `["name"]`, `[2]` and `[-1]` (from the end); after a dot keywords are names too.
Names are ASCII, any other key goes between brackets; one with `__` is refused in both places. Operators and functions are
lower case; true, false and null are read in any case. Texts take the escapes backslash, quote, n, r, t and uXXXX.

Always: a text has at most 4 KiB, 32 levels of nesting and 1,000 nodes (each step of a path is one), so that a tree can be
walked by recursion; and ConditionSyntaxError is all that comes out, its text at most 200 characters.
Source: V. Pratt, Top down operator precedence, 1973."""

from __future__ import annotations

import re
from typing import Any, Literal as OneOf

from msgspec import Struct

from actorflow.errors import ConditionSyntaxError

__all__ = ["Arithmetic", "Call", "Comparison", "Constant", "Logic", "Node", "Not", "Path", "Sign", "read"]

MAX_BYTES = 4096
MAX_DEPTH = 32
MAX_NODES = 1000

FUNCTIONS = {"len": 1, "lower": 1, "upper": 1, "starts_with": 2, "ends_with": 2, "exists": 1}
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"})
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN = range(1, 8)
_POWER = {"or": _OR, "and": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT} | dict.fromkeys(COMPARISONS, _COMPARISON)
_SPELLINGS = {"||": "or", "&&": "and"}
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_KINDS = {"end": "the end", "text": "a text", "number": "a number"}  # for messages; names and signs are shown as they are
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<number> [0-9]+ (?:\.[0-9]+)? (?:[eE][+-]?[0-9]+)? )
      | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
      | (?P<text>   "[^"\\]*(?:\\.[^"\\]*)*" | '[^'\\]*(?:\\.[^'\\]*)*' )
      | (?P<sign>   == | != | <= | >= | && | \|\| | [-+*/<>!()\[\].,] )
      | (?P<end>    \Z )
    )""",
    re.VERBOSE | re.DOTALL,
)


class Constant(Struct, frozen=True):
    """A number, a text, true, false or null."""

    value: int | float | str | bool | None


class Path(Struct, frozen=True):
    """What lies at `root` after `steps`: a text is a name, an int the index in a list. `text` is the path as written."""

    root: str
    steps: tuple[str | int, ...]
    text: str
    position: int


class Not(Struct, frozen=True):
    """The opposite of a truth."""

    operand: Node


class Sign(Struct, frozen=True):
    """A number with its sign changed."""

    operand: Node
    position: int


class Logic(Struct, frozen=True):
    """Two or more truths, joined; flat, however long the chain."""

    operator: OneOf["and", "or"]
    operands: tuple[Node, ...]


class Comparison(Struct, frozen=True):
    """Two values, compared by one of COMPARISONS."""

    operator: str
    left: Node
    right: Node
    position: int


class Arithmetic(Struct, frozen=True):
    """`first`, then operator, operand and position of each further one, left to right; operators of one level only."""

    first: Node
    rest: tuple[tuple[str, Node, int], ...]


class Call(Struct, frozen=True):
    """One of FUNCTIONS with as many arguments as it takes; that of `exists` is a Path."""

    function: str
    arguments: tuple[Node, ...]
    position: int


Node = Constant | Path | Not | Sign | Logic | Comparison | Arithmetic | Call


class _Token(Struct, frozen=True):
    kind: str  # number, name, text, sign or end
    value: Any  # the number, the text without quotes and escapes, otherwise as written
    start: int
    end: int


def read(text: str, roots: frozenset[str]) -> Node:
    """The tree of a condition text whose paths begin with `roots`. Raises ConditionSyntaxError, also for a blank text."""
    if not issubclass(type(text), str):
        raise ConditionSyntaxError("a condition must be a text", "", 0)
    text = str.__str__(text)
    _check_size(text)
    if not text.strip():
        raise ConditionSyntaxError("the condition is blank", text, 0)
    return _Parser(text, roots).whole()


def _check_size(text: str) -> None:
    if len(text) <= MAX_BYTES:  # else the encoding would only cost time
        try:
            if len(text.encode()) <= MAX_BYTES:
                return
        except UnicodeEncodeError as error:
            raise ConditionSyntaxError("half a surrogate pair is no character", text, error.start) from None
    raise ConditionSyntaxError(f"a condition has at most {MAX_BYTES} bytes", text, min(len(text), MAX_BYTES))


class _Tokenizer:
    """Gives one token after the other; the last one is `end`, again and again."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._next = 0

    def advance(self) -> _Token:
        match = _TOKEN.match(self.text, self._next)
        if match is None:
            raise self._stranger()
        kind = match.lastgroup or "end"
        start, end = match.span(kind)
        self._next = end
        value: Any = match[kind]
        if kind == "number":
            value = self._number(value, start)
        elif kind == "text":
            value = self._unescaped(start + 1, end - 1)
        return _Token(kind, value, start, end)

    def _stranger(self) -> ConditionSyntaxError:
        start = self._next
        while self.text[start] in " \t\r\n":
            start += 1
        character = self.text[start]
        if character in "\"'":
            what = "a text without its closing quote"
        elif character in "=&|":
            what = f"a single {character!r}; write {character * 2!r}"
        else:
            what = f"unexpected character {ascii(character)}"
        return ConditionSyntaxError(what, self.text, start)

    def _number(self, digits: str, start: int) -> int | float:
        """2**63 passes here, for -2**63 is a number; the parser refuses it without its sign."""
        if digits.isdigit():
            if len(digits.lstrip("0")) > 19 or int(digits) > 2**63:
                raise ConditionSyntaxError("a whole number must fit into 64 bits", self.text, start)
            return int(digits)
        number = float(digits)
        if number == float("inf"):
            raise ConditionSyntaxError("the number is too large", self.text, start)
        return number

    def _unescaped(self, start: int, end: int) -> str:
        parts: list[str] = []
        while start < end:
            character = self.text[start]
            if character < " " or character == "\x7f":
                raise ConditionSyntaxError("a control character in a text; write it as an escape", self.text, start)
            if character != "\\":
                parts.append(character)
                start += 1
                continue
            meant, length = self._escape(start)
            parts.append(meant)
            start += length
        return "".join(parts)

    def _escape(self, start: int) -> tuple[str, int]:
        letter = self.text[start + 1]
        if letter in _ESCAPES:
            return _ESCAPES[letter], 2
        digits = self.text[start + 2 : start + 6]
        if letter == "u" and len(digits) == 4 and set(digits) <= set("0123456789abcdefABCDEF"):
            code = int(digits, 16)
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code), 6
            raise ConditionSyntaxError("half a surrogate pair is no character", self.text, start)
        raise ConditionSyntaxError("an unknown escape; a backslash itself is written twice", self.text, start)


class _Parser:
    """`at` is the token at hand, `after` the one that follows it."""

    def __init__(self, text: str, roots: frozenset[str]) -> None:
        self._tokens = _Tokenizer(text)
        self._roots = roots
        self._depth = 0
        self._nodes = 0
        self.at = self.after = _Token("end", "", 0, 0)

    def whole(self) -> Node:
        self._step()
        self._step()
        node = self._expression(0)
        if self.at.kind != "end":
            raise self._error(f"expected an operator or the end, found {_shown(self.at)}")
        return node

    def _step(self) -> _Token:
        """Take the token at hand."""
        taken, self.at, self.after = self.at, self.after, self._tokens.advance()
        return taken

    def _error(self, what: str, token: _Token | None = None) -> ConditionSyntaxError:
        return ConditionSyntaxError(what, self._tokens.text, (token or self.at).start)

    def _is(self, sign: str) -> bool:
        return self.at.kind == "sign" and self.at.value == sign

    def _expect(self, sign: str) -> _Token:
        if not self._is(sign):
            raise self._error(f"expected {sign!r}, found {_shown(self.at)}")
        return self._step()

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(f"a condition has at most {MAX_NODES} nodes")

    def _nested(self, floor: int) -> Node:
        """An expression one level further down, after a bracket or a sign."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} deep")
        node = self._expression(floor)
        self._depth -= 1
        return node

    def _expression(self, floor: int) -> Node:
        """What binds more tightly than `floor`."""
        node = self._prefix(floor)
        while (operator := self._infix()) and _POWER[operator] > floor:
            if _POWER[operator] <= _AND:
                node = self._logic("and" if operator == "and" else "or", node)
            elif operator in COMPARISONS:
                node = self._comparison(operator, node)
            else:
                node = self._arithmetic(_POWER[operator], node)
        return node

    def _infix(self) -> str:
        """The operator at hand in its one spelling; "" if there is none."""
        if self.at.kind not in ("sign", "name"):
            return ""
        word: str = self.at.value
        if word == "not" and self.after.kind == "name" and self.after.value == "in":
            return "not in"
        word = _SPELLINGS.get(word, word)
        return word if word in _POWER else ""

    def _logic(self, operator: OneOf["and", "or"], first: Node) -> Node:
        self._count()
        operands = [first]
        while self._infix() == operator:
            self._step()
            operands.append(self._expression(_POWER[operator]))
        return Logic(operator, tuple(operands))

    def _comparison(self, operator: str, left: Node) -> Node:
        self._count()
        position = self._step().start
        if operator == "not in":
            self._step()
        node = Comparison(operator, left, self._expression(_COMPARISON), position)
        if self._infix() in COMPARISONS:
            raise self._error("comparisons do not chain; join them with 'and'")
        return node

    def _arithmetic(self, power: int, first: Node) -> Node:
        rest: list[tuple[str, Node, int]] = []
        while _POWER.get(operator := self._infix()) == power:
            self._count()
            position = self._step().start
            rest.append((operator, self._expression(power), position))
        return Arithmetic(first, tuple(rest))

    def _prefix(self, floor: int) -> Node:
        """An operand with what stands before it."""
        self._count()
        token = self._step()
        if token.kind == "sign":
            return self._signed(token)
        if token.kind in ("number", "text"):
            if token.value == 2**63 and type(token.value) is int:
                raise self._error("a whole number must fit into 64 bits", token)
            return Constant(token.value)
        if token.kind == "end":
            raise self._error("the condition ends where a value is expected", token)
        if token.value == "not":
            if floor > _NOT:
                raise self._error("'not' needs parentheses here", token)
            return Not(self._nested(_NOT))
        return self._named(token)

    def _signed(self, token: _Token) -> Node:
        if token.value == "(":
            node = self._nested(0)
            self._expect(")")
            return node
        if token.value == "!":
            return Not(self._nested(_SIGN))
        if token.value == "-":
            if self.at.kind == "number":
                return Constant(-self._step().value)
            return Sign(self._nested(_SIGN), token.start)
        raise self._error(f"expected a value, found {_shown(token)}", token)

    def _named(self, token: _Token) -> Node:
        name: str = token.value
        if name in self._roots and "__" not in name:
            return self._path(token)
        if name in FUNCTIONS:
            return self._call(token)
        if name.lower() in _WORDS:
            return Constant(_WORDS[name.lower()])
        roots = ", ".join(sorted(self._roots))
        raise self._error(f"unknown name {_shown(token)}; a path begins with {roots}"[:85], token)

    def _call(self, token: _Token) -> Node:
        name: str = token.value
        self._expect("(")
        arguments = [self._nested(0)]
        while self._is(","):
            self._step()
            arguments.append(self._nested(0))
        self._expect(")")
        if len(arguments) != FUNCTIONS[name]:
            raise self._error(f"{name} takes {FUNCTIONS[name]}, not {len(arguments)} arguments", token)
        if name == "exists" and type(arguments[0]) is not Path:
            raise self._error("exists takes a path", token)
        return Call(name, tuple(arguments), token.start)

    def _path(self, root: _Token) -> Path:
        steps: list[str | int] = []
        end = root.end
        while self._is(".") or self._is("["):
            self._count()
            if self._step().value == ".":
                step = self._step()
                if step.kind != "name":
                    raise self._error(f"expected a name after '.', found {_shown(step)}", step)
                end = step.end
            else:
                step = self._bracketed()
                end = self._expect("]").end
            if step.kind != "number" and "__" in step.value:
                raise self._error("a name with '__' is refused", step)
            steps.append(step.value)
        return Path(root.value, tuple(steps), self._tokens.text[root.start : end], root.start)

    def _bracketed(self) -> _Token:
        """What stands between `[` and `]`: a name in quotes or an index."""
        minus = self._step() if self._is("-") else None
        token = self._step()
        if token.kind == "number" and type(token.value) is int and token.value < 2**63:
            return _Token("number", -token.value, token.start, token.end) if minus else token
        if token.kind == "text" and not minus:
            return token
        raise self._error(f"expected an index or a name in quotes, found {_shown(token)}", token)


def _shown(token: _Token) -> str:
    """A token for a message: short, and without control characters."""
    if token.kind in _KINDS:
        return _KINDS[token.kind]
    value: str = token.value
    return repr(value if len(value) <= 20 else f"{value[:20]}...")
