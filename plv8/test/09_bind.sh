#!/bin/bash
# 09_bind.sh: install/bind.c on small libraries of its own: what it binds, what it leaves to the loader, what it refuses.
# Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/plv8-bind.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
compiler=${CC:-gcc}
count=0

# is WHAT GOT EXPECTED
is() {
	count=$((count + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $count - $1"
	else
		printf 'not ok %d - %s\n#   have: %s\n#   want: %s\n' "$count" "$1" "$2" "$3"
	fi
}

"$compiler" -std=c11 -O2 -Wall -Wextra -Werror -o bind "$here/../install/bind.c" -ldl || exit 1

# The library needs `base`, which has a `shared` as well. Its own `number`, `called` and `table` are used through the loader.
cat >base.c <<'C'
int shared(void) { return 10; }
int base_only(void) { return 20; }
C
cat >library.c <<'C'
int base_only(void);
int shared(void) { return 11; }
int called(void) { return 1; }
int number = 2;
int pair[2] = { 3, 4 };
int *second = &pair[1];
__attribute__((weak)) int weak(void) { return 5; }
__thread int own_of_thread = 6;
static int chosen(void) { return 7; }
static int (*choose(void))(void) { return chosen; }
int indirect(void) __attribute__((ifunc("choose")));
int sum(void) { return called() + 10 * number + 100 * *second + 1000 * weak() + 10000 * own_of_thread + 100000 * indirect(); }
int of_base(void) { return shared() + base_only(); }
C
# What the program has under the same names comes first for the loader.
cat >program.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int called(void) { return 0; }
int number = 0, pair[2], own = 0;
int weak(void) { return 0; }
int shared(void) { return 0; }
int main(int argc, char **argv)
{
	void *library = dlopen(argv[argc - 1], RTLD_NOW);
	if (library == NULL) { puts(dlerror()); return 1; }
	printf("%d %d\n", ((int (*)(void)) dlsym(library, "sum"))(), ((int (*)(void)) dlsym(library, "of_base"))());
}
C
"$compiler" -O1 -fPIC -shared -o libbase.so base.c &&
	"$compiler" -O1 -fPIC -fno-inline -shared -Wl,-z,now -o library.so library.c -L. -lbase -Wl,-rpath,"$work" &&
	"$compiler" -O1 -fPIC -fno-inline -shared -Wl,-z,lazy -o lazy.so library.c -L. -lbase -Wl,-rpath,"$work" &&
	"$compiler" -rdynamic -o program program.c -ldl || exit 1

is 'as it was, another definition of the same name wins' "$(./program ./library.so)" '760000 20'
is 'a library is bound' "$(./bind library.so bound.so | sed 's/: .*//')" 'bound.so'
is 'in the copy its own definitions win, but for a name that a library it needs has too' "$(./program ./bound.so)" '765421 20'
is 'the copy has the size of the original' "$(stat -c %s bound.so)" "$(stat -c %s library.so)"
is 'thread-local and indirect symbols are left to the loader' \
	"$(readelf -rW bound.so | grep -cE 'own_of_thread|indirect')" "$(readelf -rW library.so | grep -cE 'own_of_thread|indirect')"
./bind bound.so twice.so >said
is 'a bound library stays as it is' "$(cmp bound.so twice.so && grep -o ' 0 uses' said)" ' 0 uses'
./bind lazy.so lazy-bound.so >said
is 'calls that are filled in one by one are left alone' "$(readelf -rW lazy-bound.so | grep -c JUMP_SLOT)" "$(readelf -rW lazy.so | grep -c JUMP_SLOT)"
is 'and the rest of such a library is bound' "$(LD_BIND_NOW= ./program ./lazy-bound.so)" '760420 20'

is 'a file that is no library is refused' "$(./bind program.c copy.so 2>&1; echo $?)" "bind: program.c: not a shared library of 64 bits
1"
head -c 12000 library.so >short.so
is 'a library that is cut short is refused' "$(./bind short.so copy.so 2>&1; echo $?)" "bind: short.so: the file is cut short
1"
is 'a file that is not there is refused' "$(./bind nowhere.so copy.so 2>&1; echo $?)" "bind: nowhere.so: cannot be read
1"
is 'nothing was written for those' "$(ls copy.so 2>/dev/null)" ''
is 'a place where nothing can be written is an error' "$(./bind library.so nowhere/copy.so 2>/dev/null; echo $?)" 1
echo "1..$count"
