"""Keys of the Review page that Streamlit's own shortcuts do not cover.

Shortcuts of buttons are Streamlit's: they press the button they belong to, and are off while
somebody types. The few lines below add what they lack: a key that leads into the note field and
one that leads out of it, other keys for the same button (0, and those of a number pad), and no
second press from a key that is held down. They are our own, constant, and ask nobody for anything;
without them every button still works.
"""

from typing import Final

import streamlit as st

#: Starts of the keys of widgets, by which the script finds them; `TURN` follows.
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
      // Once Streamlit has taken the text, the next key is a label again.
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
  // A switch or a list keeps the focus after a click, and with it the keys.
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


def listen() -> None:
    """Add the keys to this page."""
    # Our own constant text: no word of a model or a caller is in it.
    st.html(_SCRIPT, unsafe_allow_javascript=True)
