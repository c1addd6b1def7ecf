"""Keyboard shortcuts of the Review page beyond Streamlit's own.

Streamlit's shortcuts press the button they belong to, and are off while the reader types. The
script below adds a key that moves to the note field and one that leaves it, further keys for the
same button (0, and those of a number pad), and ignores the repeats of a key that is held down. It
is a constant and loads nothing; without it every button still works.
"""

from typing import Final

import streamlit as st

#: Starts of the keys of widgets, by which the script finds them; the queue's `turn` follows.
LEFT, TIE, RIGHT, SKIP, UNDO, NOTE = (f"review-{name}-" for name in ("left", "tie", "right", "skip", "undo", "note"))

_SCRIPT: Final = f"""<script>
(() => {{
  if (window.shadowReviewKeys) return;
  window.shadowReviewKeys = true;
  const find = (key, inside) => document.querySelector(`[class*="st-key-${{key}}"] ${{inside}}`);
  const press = key => find(key, "button")?.click();
  const note = () => find("{NOTE}", "input");
  const also = {{"0": "{TIE}", "1": "{LEFT}", "2": "{RIGHT}"}};
  const types = element => /^(INPUT|TEXTAREA|SELECT)$/.test(element?.tagName) || element?.isContentEditable;
  const stop = event => {{ event.preventDefault(); event.stopImmediatePropagation(); }};
  addEventListener("keydown", event => {{
    const target = event.composedPath()[0];
    if (!note() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (types(target)) {{
      // Leave the field once Streamlit has read the text, so that the next key is a label again.
      if (target === note() && /^(Enter|Escape)$/.test(event.key)) setTimeout(() => target.blur());
    }} else if (event.repeat && /^[012tsun]$/i.test(event.key)) {{
      stop(event);
    }} else if (event.key.toLowerCase() === "n") {{
      stop(event);
      note().focus();
    }} else if (also[event.key] && (event.key === "0" || event.code.startsWith("Numpad"))) {{
      stop(event);
      press(also[event.key]);
    }}
  }}, true);
  // A switch or a list keeps the focus after a click, and would receive the next keys.
  addEventListener("pointerup", event => {{
    if (!note()) return;
    const chosen = event.target.closest?.("[role=option]");
    setTimeout(() => {{
      const focused = document.activeElement;
      if (chosen || focused?.type === "checkbox") focused?.blur();
    }}, 100);
  }}, true);
}})();
</script>"""


def add_shortcuts() -> None:
    """Add the shortcuts to this page."""
    # A constant: it contains no text of a model or a caller.
    st.html(_SCRIPT, unsafe_allow_javascript=True)
