/* What the mark of a figure nearest to the pointer says. */
const NEAR = 16, TOGETHER = 3, MOST = 5;
const ring = make("div", { id: "ring", hidden: true, ariaHidden: "true" });
const tip = make("div", { id: "tip", hidden: true, ariaHidden: "true" });

function hideTip() {
  ring.hidden = tip.hidden = true;
}

function showTip(marks, { currentTarget, clientX, clientY }) {
  const box = currentTarget.getBoundingClientRect();
  const places = marks.map(([x, y, text]) => ({ x: box.left + x * box.width, y: box.top + y * box.height, text }));
  const away = (x, y) => (mark) => Math.hypot(mark.x - x, mark.y - y);
  const from = away(clientX, clientY);
  const nearest = places.reduce((best, mark) => (from(mark) < from(best) ? mark : best));
  if (from(nearest) > NEAR) return hideTip();
  const fromNearest = away(nearest.x, nearest.y);
  const texts = [...new Set(places.filter((mark) => fromNearest(mark) <= TOGETHER).map((mark) => mark.text))];
  const more = texts.length > MOST ? [`and ${texts.length - MOST + 1} more`] : [];
  tip.textContent = [...texts.slice(0, more.length ? MOST - 1 : MOST), ...more].join("\n");
  ring.hidden = tip.hidden = false;
  Object.assign(ring.style, { left: `${nearest.x}px`, top: `${nearest.y}px` });
  const left = Math.min(Math.max(nearest.x - tip.offsetWidth / 2, 4), document.documentElement.clientWidth - tip.offsetWidth - 4);
  const above = nearest.y - tip.offsetHeight - 10;
  Object.assign(tip.style, { left: `${left}px`, top: `${above >= 4 ? above : nearest.y + 12}px` });
}

function tips() {
  const images = document.querySelectorAll("img[data-tips]");
  if (!images.length) return;
  document.body.append(ring, tip);
  for (const image of images) {
    const marks = JSON.parse(image.dataset.tips);
    for (const name of ["pointermove", "pointerdown"]) image.addEventListener(name, (event) => showTip(marks, event));
    image.addEventListener("pointerleave", hideTip);
  }
  for (const name of ["scroll", "keydown"]) addEventListener(name, hideTip, { passive: true });
  images[0].closest("section").querySelector("h2").after(
    make("p", { className: "small", textContent: "A mark says its value where the pointer is near it; all numbers of a figure are in its CSV." }),
  );
}

tips();
