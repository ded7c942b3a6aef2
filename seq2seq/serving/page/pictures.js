/** A picture to describe: dropped, pasted or chosen. */

import { byId } from "./dom.js";

// Models see a few hundred pixels, and servers take a megabyte, so photographs are made smaller first.
const BYTES = 500_000;
const PIXELS = 1024;

/** @param {(picture: Blob) => void} onPicture takes each picture. */
export function start(onPicture) {
  const drop = byId("drop");
  const take = (files) => {
    const file = [...(files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file) onPicture(file);
  };
  byId("picture").addEventListener("change", (event) => take(event.target.files));
  addEventListener("paste", (event) => byId("showing").hidden || take(event.clipboardData.files));
  // A picture that misses the field must not replace the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => event.preventDefault());
  drop.addEventListener("dragenter", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", (event) => drop.contains(event.relatedTarget) || drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
}

export function preview(picture) {
  const image = byId("preview");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
  image.hidden = false;
}

/** The picture itself, or a smaller one where it is large; one that the browser cannot read is left to the server. */
export async function reduced(picture) {
  if (picture.size <= BYTES) return picture;
  try {
    const bitmap = await createImageBitmap(picture);
    const scale = Math.min(1, PIXELS / Math.max(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  } catch {
    return picture;
  }
}
