// Parts of a page are shown anew while one is in them: the keyboard stays on the link it was on, and what was selected
// stays selected where the same text still stands there.
(() => {
  const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";
  let focus = null;
  let selection = null;

  // The framework's element around it, which stays when its content is replaced.
  const frameOf = (node) => {
    let each = (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.parentElement;
    while (each && !/^c\d+$/.test(each.id)) each = each.parentElement;
    return each;
  };
  const nameOf = (stop) => stop.getAttribute("href") ?? `${stop.tagName} ${stop.textContent}`;
  const namesakes = (frame, name) => [...frame.querySelectorAll(STOPS)].filter((stop) => nameOf(stop) === name);

  addEventListener("focusin", ({ target }) => {
    const frame = frameOf(target);
    const name = nameOf(target);
    focus = frame && { frame, name, stop: target, place: namesakes(frame, name).indexOf(target) };
  });
  addEventListener("focusout", ({ target }) => {
    // Where it has left for nothing, of its own will; what is taken out of the page tells the same.
    setTimeout(() => {
      if (focus?.stop === target && target.isConnected && document.activeElement !== target) focus = null;
    });
  });
  const keepFocus = () => {
    if (!focus || focus.stop.isConnected) return;
    const { frame, name, place } = focus;
    focus = null;
    const free = !document.activeElement || document.activeElement === document.body;
    const found = free && frame.isConnected ? namesakes(frame, name) : [];
    (found[place] ?? found[0])?.focus({ preventScroll: true });
  };

  const lengthTo = (frame, node, offset) => {
    const before = document.createRange();
    before.setStart(frame, 0);
    before.setEnd(node, offset);
    return before.toString().length;
  };
  const pointAt = (frame, length) => {
    const texts = document.createTreeWalker(frame, NodeFilter.SHOW_TEXT);
    for (let left = length, text; (text = texts.nextNode()); left -= text.length) {
      if (left <= text.length) return [text, left];
    }
    return null;
  };
  document.addEventListener("selectionchange", () => {
    const shown = getSelection();
    if (shown.isCollapsed) {
      // Collapsed by whoever looks, not because its text has gone.
      if (selection?.node.isConnected) selection = null;
      return;
    }
    const range = shown.getRangeAt(0);
    const frame = frameOf(range.commonAncestorContainer);
    const ends = [[range.startContainer, range.startOffset], [range.endContainer, range.endOffset]];
    selection = frame && {
      frame,
      node: range.startContainer,
      text: range.toString(),
      ends: ends.map(([node, offset]) => lengthTo(frame, node, offset)),
    };
  });
  const keepSelection = () => {
    if (!selection || selection.node.isConnected) return;
    const { frame, text, ends } = selection;
    selection = null;
    const points = frame.isConnected ? ends.map((length) => pointAt(frame, length)) : [];
    if (points.length === 0 || points.includes(null)) return;
    const range = document.createRange();
    range.setStart(...points[0]);
    range.setEnd(...points[1]);
    if (range.toString() === text) getSelection().setBaseAndExtent(...points[0], ...points[1]);
  };

  new MutationObserver(() => {
    keepFocus();
    keepSelection();
  }).observe(document, { childList: true, subtree: true });
})();
