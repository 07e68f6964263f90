// Arrays of all genes, unpacked when first asked for; each gene is read from them on its own.

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(text, format) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old to unpack the page; use one from 2023 or later");
  }
  const bytes = fromBase64(text);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Layer {
  constructor(record, place, all) {
    Object.assign(this, record);
    this.place = place;
    this.all = all;
    [this.rows, this.count, this.bins] = record.shape;
    this.bytes = null;
  }

  async open() {
    if (this.absoluteOf >= 0) return this.all[this.absoluteOf].open();
    if (this.bytes === null) {
      const holder = document.getElementById(`layer-${this.place}`);
      this.bytes = await inflate(holder.textContent.trim(), "deflate-raw");
      holder.textContent = "";
    }
    return null;
  }

  // One gene's values, an array of bins for each mark; NaN where there is none.
  read(row) {
    if (this.absoluteOf >= 0) {
      return this.all[this.absoluteOf].read(row).map((line) => line.map(Math.abs));
    }
    const size = this.count * this.bins;
    const total = this.rows * size;
    const lines = [];
    const scratch = new DataView(new ArrayBuffer(4));
    const head = this.levels ? 8 * this.rows : 0;
    const float = (at, step, start) => {
      for (let k = 0; k < 4; k++) scratch.setUint8(k, this.bytes[start + at + k * step]);
      return scratch.getFloat32(0, true);
    };
    const low = this.levels ? float(4 * row, 1, 0) : 0;
    const step = this.levels ? float(4 * row, 1, 4 * this.rows) : 0;
    const wide = this.levels >= 255;
    const missing = wide ? 65535 : 255;
    for (let name = 0; name < this.count; name++) {
      const line = [];
      let before = 0;
      for (let bin = 0; bin < this.bins; bin++) {
        const at = row * size + name * this.bins + bin;
        if (!this.levels) {
          line.push(float(at, total, 0));
          continue;
        }
        let value = this.bytes[head + at] + (wide ? 256 * this.bytes[head + total + at] : 0);
        if (this.rising) before = value = (value + before) & missing;
        line.push(value === missing ? NaN : low + value * step);
      }
      lines.push(line);
    }
    return lines;
  }

  // Half a step: values are within it of those in the file; 0 where they are exact.
  slack(row) {
    if (this.absoluteOf >= 0) return this.all[this.absoluteOf].slack(row);
    if (!this.levels) return 0;
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
    return view.getFloat32(4 * (this.rows + row), true) / 2;
  }
}

// A number with as many digits as it is known to, four at most.
function show(value, slack = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "no data";
  let digits = 4;
  if (slack > 0 && value !== 0) {
    digits = Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(slack));
    digits = Math.max(1, Math.min(4, digits));
  }
  if (Math.abs(value) < slack) return "0";
  return String(Number(value.toPrecision(digits))).replace("-", "\u2212");
}
