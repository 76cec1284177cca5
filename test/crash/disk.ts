/** A small file system to put a cluster on, so that its disk can be filled, where the machine allows one. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, rmdirSync, openSync, closeSync, writeSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';

const MEGABYTES = 640;

export class Disk {
  readonly path: string;
  readonly #ballast: string;
  readonly #atExit = (): void => this.remove();
  #mounted = true;

  private constructor(folder: string) {
    this.path = folder;
    this.#ballast = path.join(folder, 'ballast');
    process.once('exit', this.#atExit);
  }

  /** Mounts one in memory. Returns the reason when that cannot be. */
  static make(): Disk | string {
    if (userInfo().uid !== 0) return 'only root can mount a small file system';
    const folder = mkdtempSync(path.join(tmpdir(), 'pg-durable-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m,mode=711`, 'tmpfs', folder], { stdio: 'pipe' });
      return new Disk(folder);
    } catch (error) {
      rmdirSync(folder);
      return `no small file system can be mounted here: ${(error as Error).message.trim()}`;
    }
  }

  /** Takes all the space there is, in one file. */
  fill(): void {
    const file = openSync(this.#ballast, 'w');
    const block = Buffer.alloc(1 << 20);
    try {
      for (;;) writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Takes what has become free again since `fill`: the server lets go of some when it fails. */
  get full(): boolean {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize < 1 << 20;
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Unmounts it, with whatever is on it. */
  remove(): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    process.off('exit', this.#atExit);
    execFileSync('umount', ['-l', this.path], { stdio: 'pipe' });
    rmdirSync(this.path);
  }
}
