/*
 * bind LIBRARY COPY: writes a copy of a shared library whose uses of its own symbols are bound to itself.
 *
 * libnode leaves some 60,000 places to be filled in by symbol name when it is loaded, nearly all of them with addresses
 * inside libnode: each new session would spend some 40 ms of processor time on looking them up. In the copy such a place
 * says where in the library its value lies, which takes the loader a nanosecond. The effect is that of linking with
 * -Bsymbolic, and nothing else of the library changes, no address either.
 *
 * Left to the loader: names that a library which it needs has as well (what C++ templates leave in libstdc++ and here
 * has to be one and the same), unique, thread-local and indirect symbols.
 *
 * ELF, 64 bits, x86-64 and aarch64. Says how many places it bound. Exit status 1 with a message for any other file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_NEEDED = 64 };

static const char *path;
static char       *image;	/* the file, in memory, changed here */
static size_t      size;

static void __attribute__((noreturn)) die(const char *why)
{
	fprintf(stderr, "bind: %s: %s\n", path, why);
	exit(1);
}

/* So many bytes of the file. */
static void *part(uint64_t offset, uint64_t length)
{
	if (offset > size || length > size - offset)
		die("the file is cut short");
	return image + offset;
}

/* Where the file keeps what the library has at an address. */
static void *loaded(const Elf64_Ehdr *head, uint64_t address, uint64_t length)
{
	const Elf64_Phdr *seg = part(head->e_phoff, (uint64_t) head->e_phnum * sizeof *seg);

	for (int i = 0; i < head->e_phnum; i++)
		if (seg[i].p_type == PT_LOAD && address >= seg[i].p_vaddr && address - seg[i].p_vaddr < seg[i].p_filesz)
			return part(seg[i].p_offset + (address - seg[i].p_vaddr), length);
	die("an address is in no segment");
}

/* The dynamic section, of a file that is there from end to end. */
static const Elf64_Dyn *dynamic(const Elf64_Ehdr *head)
{
	const Elf64_Phdr *seg = part(head->e_phoff, (uint64_t) head->e_phnum * sizeof *seg);
	const Elf64_Dyn  *dyn = NULL;

	for (int i = 0; i < head->e_phnum; i++) {
		const void *content = part(seg[i].p_offset, seg[i].p_filesz);
		if (seg[i].p_type == PT_DYNAMIC)
			dyn = content;
	}
	if (dyn == NULL)
		die("no dynamic section");
	return dyn;
}

/* The value of a tag, 0 without it. */
static uint64_t entry(const Elf64_Dyn *dyn, int64_t tag)
{
	for (; dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == tag)
			return dyn->d_un.d_val;
	return 0;
}

/* Opens the libraries that the library names as needed, and returns how many they are. */
static int needed(const Elf64_Dyn *dyn, const char *strings, void **handles)
{
	int   count = 0;
	char *whole = realpath(path, NULL);

	/* It knows where they lie. */
	if (whole == NULL)
		die("has no path");
	if (dlopen(whole, RTLD_LAZY | RTLD_LOCAL) == NULL)
		die(dlerror());
	free(whole);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag != DT_NEEDED)
			continue;
		if (count == MOST_NEEDED)
			die("it needs too many libraries");
		handles[count] = dlopen(strings + dyn->d_un.d_val, RTLD_LAZY | RTLD_LOCAL);
		if (handles[count++] == NULL)
			die(dlerror());
	}
	return count;
}

/* Whether one of them, or one that those need, defines the name. */
static bool elsewhere(const char *name, void **handles, int count)
{
	for (int i = 0; i < count; i++)
		if (dlsym(handles[i], name) != NULL)
			return true;
	return false;
}

/* Whether a use of the symbol may be bound, remembered in `known` by its number. */
static bool bindable(const Elf64_Sym *symbols, uint32_t number, const char *strings, void **handles, int count, signed char *known)
{
	const Elf64_Sym *symbol = &symbols[number];
	int type = ELF64_ST_TYPE(symbol->st_info), binding = ELF64_ST_BIND(symbol->st_info);

	if (known[number] == 0) {
		bool own = symbol->st_shndx != SHN_UNDEF && symbol->st_shndx < SHN_LORESERVE
			&& (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE) && (binding == STB_GLOBAL || binding == STB_WEAK);
		known[number] = own && !elsewhere(strings + symbol->st_name, handles, count) ? 1 : -1;
	}
	return known[number] > 0;
}

int main(int argc, char **argv)
{
	void       *handles[MOST_NEEDED];
	struct stat status;

	if (argc != 3) {
		fprintf(stderr, "usage: bind LIBRARY COPY\n");
		return 1;
	}
	path = argv[1];
	int file = open(path, O_RDONLY);
	if (file < 0 || fstat(file, &status) != 0 || (size = (size_t) status.st_size) == 0)
		die("cannot be read");
	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	if (image == MAP_FAILED)
		die("cannot be mapped");

	const Elf64_Ehdr *head = part(0, sizeof *head);
	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_type != ET_DYN)
		die("not a shared library of 64 bits");
	bool amd = head->e_machine == EM_X86_64;
	if (!amd && head->e_machine != EM_AARCH64)
		die("neither x86-64 nor aarch64");
	const uint32_t absolute = amd ? R_X86_64_64 : R_AARCH64_ABS64, data = amd ? R_X86_64_GLOB_DAT : R_AARCH64_GLOB_DAT,
				   jump = amd ? R_X86_64_JUMP_SLOT : R_AARCH64_JUMP_SLOT, relative = amd ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;

	const Elf64_Dyn *dyn = dynamic(head);
	const char *strings = loaded(head, entry(dyn, DT_STRTAB), entry(dyn, DT_STRSZ));
	const Elf64_Sym *symbols = loaded(head, entry(dyn, DT_SYMTAB), sizeof *symbols);
	int count = needed(dyn, strings, handles);
	/* A loader that fills in calls one by one would not know what to do with a bound one. */
	bool at_once = (entry(dyn, DT_FLAGS) & DF_BIND_NOW) != 0;

	const struct { uint64_t at, length; bool calls; } tables[] = {
		{ entry(dyn, DT_RELA), entry(dyn, DT_RELASZ), false },
		{ entry(dyn, DT_JMPREL), entry(dyn, DT_PLTRELSZ), true },
	};
	signed char *known = NULL;
	size_t       known_size = 0, bound = 0, left = 0;

	for (int t = 0; t < 2; t++) {
		if (tables[t].length == 0 || (tables[t].calls && !at_once))
			continue;
		Elf64_Rela *place = loaded(head, tables[t].at, tables[t].length), *end = place + tables[t].length / sizeof *place;
		for (; place < end; place++) {
			uint32_t kind = (uint32_t) ELF64_R_TYPE(place->r_info), number = (uint32_t) ELF64_R_SYM(place->r_info);
			if (number == 0)
				continue;
			if (number >= known_size) {
				size_t larger = (size_t) number * 2 + 1;
				known = realloc(known, larger);
				if (known == NULL)
					die("out of memory");
				memset(known + known_size, 0, larger - known_size);
				known_size = larger;
			}
			/* On x86-64 only R_X86_64_64 adds its addend to the symbol. */
			if ((kind != absolute && kind != data && kind != jump) || !bindable(symbols, number, strings, handles, count, known)) {
				left++;
				continue;
			}
			place->r_addend = (int64_t) symbols[number].st_value + (amd && kind != absolute ? 0 : place->r_addend);
			place->r_info = ELF64_R_INFO((uint64_t) 0, relative);
			bound++;
		}
	}

	FILE *copy = fopen(argv[2], "wb");
	if (copy == NULL || fwrite(image, 1, size, copy) != size || fclose(copy) != 0) {
		perror(argv[2]);
		return 1;
	}
	printf("%s: %zu uses of its own symbols bound, %zu left to the loader\n", argv[2], bound, left);
	return 0;
}
