// Shows how far a step has come: one line redrawn on a terminal, a few plain lines elsewhere.
const PLAIN_STEP_PERCENT = 25;

export class Progress {
  #label;
  #total;
  #done = 0;
  #shownPercent = -1;
  #out;

  /**
   * @param {string} label
   * @param {number} total
   * @param {{ isTTY?: boolean, write(text: string): unknown }} [out]
   */
  constructor(label, total, out = process.stdout) {
    this.#label = label;
    this.#total = total;
    this.#out = out;
  }

  /** @param {number} count  what has been done since the last call */
  add(count) {
    this.#done += count;
    const percent = Math.floor((this.#done / this.#total) * 100);
    const step = this.#out.isTTY ? 1 : PLAIN_STEP_PERCENT;
    if (Math.floor(percent / step) <= Math.floor(this.#shownPercent / step)) return;
    this.#shownPercent = percent;
    const line = `  ${this.#label}: ${this.#done} of ${this.#total} (${percent} %)`;
    const end = this.#done >= this.#total ? '\n' : '';
    this.#out.write(this.#out.isTTY ? `\r${line}${end}` : `${line}\n`);
  }
}
