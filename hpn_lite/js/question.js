// A question that the page answers itself: choose one of several answers, or type a number. Nothing is graded or kept.

// FNV-1a, as in hpn_lite.labs: the page holds the hash of the right number, so that reading its source spoils nothing.
export function fnv(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

// "0,5", "1/3" and "-2e-3" are numbers too; null for anything else.
export function number(text) {
  const part = '[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?';
  const found = text.trim().replace(/\u2212/g, '-').replace(/^([-+]?\d*),(\d+)$/, '$1.$2').match(new RegExp(`^(${part})(?:\\s*/\\s*(${part}))?$`, 'i'));
  const value = found ? Number(found[1]) / Number(found[2] ?? 1) : NaN;
  return Number.isFinite(value) ? value : null;
}

export function mount(el, options, core) {
  const { h, button } = core, line = core.statusLine();
  let right = null, tries = 0;
  line.node.classList.add('hpn-answer');
  const say = (text) => line.say(text, 0);
  core.theme(el, () => {});
  const head = h('p', { className: 'hpn-prompt', id: `${el.id}-prompt` }, options.prompt);

  if (options.choices) {
    const choose = (i) => {
      tries += 1;
      right = i === options.answer;
      say(`${right ? 'Yes.' : 'Not quite.'} ${right || tries > 1 ? options.why : 'Think again, or choose once more to see why.'}`);
    };
    const boxes = options.choices.map((words, i) => h('label', { className: 'hpn-check' },
      h('input', { type: 'radio', name: el.id, value: i, onchange: () => choose(i) }), h('span', {}, words)));
    el.append(h('div', { className: 'hpn-panel', role: 'radiogroup', 'aria-labelledby': head.id }, head, ...boxes, line.node));
  } else {
    const field = h('input', { type: 'text', inputmode: 'decimal', autocomplete: 'off', size: 12, 'aria-labelledby': head.id, onkeydown: (event) => event.key === 'Enter' && check() });
    const check = () => {
      const value = number(field.value), unit = 10 ** options.digits;
      if (value === null) { right = null; return say('Type a number, such as 0.25, -3 or 1/3.'); }
      tries += 1;
      const near = [-1, 0, 1].map((step) => Math.round(value * unit) + step); // the last digit may be rounded either way
      right = near.some((whole) => fnv(`${options.salt}:${whole}`) === options.hash);
      say(right ? 'Yes, that is right.' : tries > 1 && options.hint ? `Not yet. ${options.hint}` : 'Not yet.');
    };
    const places = options.digits ? `${options.digits} digit${options.digits > 1 ? 's' : ''} after the point` : 'a whole number';
    el.append(h('div', { className: 'hpn-panel' }, head, h('div', { className: 'hpn-row' }, field, button('Check', check, true), core.hint(places)), line.node));
  }
  return { state: () => ({ right, tries }) };
}
