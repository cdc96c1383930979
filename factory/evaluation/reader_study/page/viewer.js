// A slice on a canvas with a window: centre and width, in per cent of the brightness that is 1.
const LEVELS = 4095; // grey values of pixels, the last of which is BRIGHTEST
const BRIGHTEST = 120;
const DEFAULT = { centre: 50, width: 100 };
const TWICE_MS = 350; // between the two clicks or taps that restore the window
const ARROWS = { arrowleft: [-20, 0], arrowright: [20, 0], arrowup: [0, -20], arrowdown: [0, 20] };

export class Viewer {
  constructor(canvas, output) {
    this.canvas = canvas;
    this.output = output;
    this.window = { ...DEFAULT };
    let last = null;
    let down = -Infinity;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.timeStamp - down < TWICE_MS) this.reset();
      down = event.timeStamp;
      last = event;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (last?.pointerId !== event.pointerId) return;
      this.drag(event.clientX - last.clientX, event.clientY - last.clientY);
      last = event;
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  }

  load(pixels, side) {
    this.pixels = pixels;
    this.canvas.width = this.canvas.height = side;
    this.reset();
  }

  reset() {
    this.window = { ...DEFAULT };
    this.draw();
  }

  // to the right: less contrast; down: brighter
  drag(right, down) {
    const { centre, width } = this.window;
    this.window.width = Math.min(300, Math.max(2, width * Math.exp(right / 250)));
    this.window.centre = Math.min(BRIGHTEST, Math.max(0, centre - (down * width) / 400));
    this.draw();
  }

  key(name) {
    if (name === "0") this.reset();
    else if (ARROWS[name]) this.drag(...ARROWS[name]);
    else return false;
    return true;
  }

  draw() {
    if (!this.pixels) return;
    const { centre, width } = this.window;
    const grey = new Uint8ClampedArray(LEVELS + 1);
    for (let v = 0; v <= LEVELS; v++) {
      grey[v] = (255 * ((v / LEVELS) * BRIGHTEST - centre + width / 2)) / width;
    }
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.canvas.width, this.canvas.height);
    const shown = new Uint32Array(image.data.buffer);
    this.pixels.forEach((v, i) => { shown[i] = 0xff000000 | (grey[v] * 0x010101); });
    context.putImageData(image, 0, 0);
    this.output.textContent = `window ${Math.round(width)}  level ${Math.round(centre)}`;
  }
}
