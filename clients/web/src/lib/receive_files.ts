import type { Attachment } from "svelte/attachments";
import { notices } from "./notices.svelte";

/** Let an element take files that are dropped on it, those in folders too; or that are pasted while it is there. */
export function receiveFiles(take: (files: File[]) => void, { pastes = false } = {}): Attachment<HTMLElement> {
  return (element) => {
    const stop = new AbortController();
    const { signal } = stop;
    const mark = (isOver: boolean) => element.classList.toggle("over", isOver);
    element.addEventListener("dragover", (event) => (event.preventDefault(), mark(true)), { signal });
    element.addEventListener("dragleave", () => mark(false), { signal });
    element.addEventListener(
      "drop",
      (event) => {
        event.preventDefault();
        mark(false);
        if (event.dataTransfer) void listDropped(event.dataTransfer).then(take).catch(notices.report.bind(notices));
      },
      { signal },
    );
    if (pastes) addEventListener("paste", ({ clipboardData }) => clipboardData?.files.length && take([...clipboardData.files]), { signal });
    return () => stop.abort();
  };
}

/** The files of a drop, those in folders too. */
async function listDropped(transfer: DataTransfer): Promise<File[]> {
  // both are empty once the event is over
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  return (await Promise.all(entries.map((entry) => (entry ? listFiles(entry) : [])))).flat();
}

async function listFiles(entry: FileSystemEntry): Promise<File[]> {
  if (isFile(entry)) return [await new Promise<File>((resolve, reject) => entry.file(resolve, reject))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  // a folder is read in parts, of which the last one is empty
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    for (const inner of part) found.push(...(await listFiles(inner)));
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}
