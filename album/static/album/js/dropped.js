// The files of a drop, those in folders and their folders included.

/** A list of {file, folder}, where `folder` is the name of the folder that the file lies in, if it was dropped too. */
export async function filesOf(transfer) {
  // The list is emptied as soon as this event is over: first take all, then wait.
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Array.from(transfer.files, (file) => ({ file, folder: "" }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), folder });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!some.length) return;
    for (const inner of some) await walk(inner, entry.name, found);
  }
}
