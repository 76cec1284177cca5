import test from 'ava';
import { UsageError } from '../../src/cli/flags.ts';
import { nearest } from '../../src/cli/suggest.ts';
import { readWorkerCommand, workerHelp } from '../../src/cli/worker-command.ts';

const ENVIRONMENT = { HOME: '/nowhere', PGHOST: 'h', PGUSER: 'u' };
const read = (...args: string[]) => readWorkerCommand(args, ENVIRONMENT, '0.2.2');

test('without flags the worker has its defaults', (t) => {
  t.like(read(), {
    logLevel: 'info', logFormat: 'json',
    options: { version: '0.2.2', maxConnections: null, maxPerRole: null, idle: 60_000, grace: 10_000, sweep: 250, once: false },
  });
});

test('flags are read with or without an equals sign, times with a unit', (t) => {
  t.like(read('--max-connections=20', '--max-per-role', '5', '--idle', '2min', '--grace=500ms', '--sweep', '0.7', '--once', '--log-level', 'DEBUG', '--log-format=text'), {
    logLevel: 'debug', logFormat: 'text',
    options: { maxConnections: 20, maxPerRole: 5, idle: 120_000, grace: 500, sweep: 700, once: true },
  });
});

test('--database-url comes before DATABASE_URL, which comes before the PG variables', (t) => {
  const environment = { ...ENVIRONMENT, DATABASE_URL: 'postgresql://url/d' };
  t.is(readWorkerCommand([], environment, '0.2.2')?.options.place.host, 'url');
  t.is(readWorkerCommand(['--database-url', 'postgresql://flag/d'], environment, '0.2.2')?.options.place.host, 'flag');
  t.is(read()?.options.place.host, 'h');
});

for (const [args, says] of [
  ['--max-conections 3', /unknown flag --max-conections: did you mean --max-connections\?/],
  ['--xyzzy', /^unknown flag --xyzzy \(see --help\)$/],
  ['-x', /unknown flag -x/],
  ['--max-connections 0', /--max-connections is "0".*1 to 1000/],
  ['--max-connections 1e3', /--max-connections is "1e3"/],
  ['--max-connections', /--max-connections needs a value/],
  ['--idle --once', /--idle needs a value before "--once"/],
  ['--idle=-1', /--idle is "-1".*0 to 86400/],
  ['--sweep 0', /--sweep is "0".*0\.1 to 3600/],
  ['--grace soon', /--grace is "soon"/],
  ['--once=yes', /--once takes no value/],
  ['--log-level wran', /did you mean warn\?/],
  ['--max-connections 2 --max-per-role 3', /--max-per-role is 3.*--max-connections, which is 2/],
  ['extra', /"extra" is not understood/],
  ['--database-url nonsense', /must begin with postgresql:/],
] as const) {
  test(`worker ${args} is refused`, (t) => {
    const error = t.throws(() => read(...args.split(' ')), { instanceOf: UsageError });
    t.regex(error?.message ?? '', says);
  });
}

test('help names every flag, and fits a terminal', (t) => {
  t.is(read('--help'), null);
  t.is(read('-h'), null);
  const help = workerHelp();
  for (const flag of ['database-url', 'max-connections', 'max-per-role', 'idle', 'grace', 'sweep', 'once', 'log-level', 'log-format', 'help']) {
    t.true(help.includes(`--${flag}`), flag);
  }
  t.deepEqual(help.split('\n').filter((line) => line.length > 104), []);
});

test('the nearest word is the one that was meant, or none', (t) => {
  const words = ['worker', 'help', 'version'];
  t.is(nearest('wroker', words), 'worker');
  t.is(nearest('versoin', words), 'version');
  t.is(nearest('work', words), 'worker');
  t.is(nearest('zzz', words), null);
});
