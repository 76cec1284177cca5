// string.cc: text between the database's encoding and JavaScript's UTF-16.
#include "plv8.h"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace plv8 {

static inline bool database_is_utf8()
{
	int encoding = GetDatabaseEncoding();
	return encoding == PG_UTF8 || encoding == PG_SQL_ASCII;
}

MaybeLocal<String> to_string(const char *text, size_t length)
{
	const char *utf8 = text;
	MaybeLocal<String> made;

	if (unlikely(!database_is_utf8())) {
		if (!guarded_js([&] { utf8 = pg_server_to_any(text, static_cast<int>(length), PG_UTF8); }))
			return MaybeLocal<String>();
		if (utf8 != text)
			length = strlen(utf8);
	}
	if (length <= static_cast<size_t>(String::kMaxLength) * 3 && length <= INT_MAX)
		made = String::NewFromUtf8(isolate(), utf8, v8::NewStringType::kNormal, static_cast<int>(length));
	if (utf8 != text)
		pfree(const_cast<char *>(utf8));
	if (made.IsEmpty())
		throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a text of %zu bytes is too long for a JavaScript string", length);
	return made;
}

MaybeLocal<String> to_string(const char *text)
{
	return to_string(text, strlen(text));
}

Local<String> ascii(const char *text)
{
	return String::NewFromOneByte(isolate(), reinterpret_cast<const uint8_t *>(text), v8::NewStringType::kInternalized)
		.ToLocalChecked();
}

// Bytes of a string, in the database's encoding, behind `before` bytes of room. NULL with an exception.
static char *write_string(Local<String> string, size_t before, size_t *length, bool allow_nul)
{
	size_t need = string->Utf8Length(isolate());
	if (need + before + 1 > MaxAllocSize) {
		throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a string of %zu bytes is too long for PostgreSQL, whose limit is 1 GB", need);
		return nullptr;
	}
	char *buffer = static_cast<char *>(palloc_extended(need + before + 1, MCXT_ALLOC_NO_OOM));
	if (buffer == nullptr) {
		throw_code(ERRCODE_OUT_OF_MEMORY, "no memory for a string of %zu bytes", need);
		return nullptr;
	}
	string->WriteUtf8(isolate(), buffer + before, static_cast<int>(need), nullptr,
	                  String::NO_NULL_TERMINATION | String::REPLACE_INVALID_UTF8);
	buffer[before + need] = '\0';
	if (!allow_nul && memchr(buffer + before, '\0', need) != nullptr) {
		pfree(buffer);
		throw_code(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x00 (a PostgreSQL text cannot hold the character \\u0000)");
		return nullptr;
	}
	if (unlikely(!database_is_utf8())) {
		char *converted = nullptr;
		if (!guarded_js([&] { converted = pg_any_to_server(buffer + before, static_cast<int>(need), PG_UTF8); }))
			return nullptr;
		if (converted != buffer + before) {
			size_t size = strlen(converted);
			char *moved = static_cast<char *>(palloc_extended(size + before + 1, MCXT_ALLOC_NO_OOM));
			if (moved == nullptr) {
				throw_code(ERRCODE_OUT_OF_MEMORY, "no memory for a string of %zu bytes", size);
				return nullptr;
			}
			memcpy(moved + before, converted, size + 1);
			pfree(converted);
			pfree(buffer);
			buffer = moved;
			need = size;
		}
	}
	*length = need;
	return buffer;
}

char *to_cstring(Local<Context> context, Local<Value> value, size_t *length, bool allow_nul)
{
	Local<String> string;
	size_t size;

	if (!value->ToString(context).ToLocal(&string))
		return nullptr;
	char *text = write_string(string, 0, &size, allow_nul);
	if (length)
		*length = size;
	return text;
}

struct varlena *to_text(Local<Context> context, Local<Value> value)
{
	Local<String> string;
	size_t size;

	if (!value->ToString(context).ToLocal(&string))
		return nullptr;
	char *text = write_string(string, VARHDRSZ, &size, false);
	if (text)
		SET_VARSIZE(text, size + VARHDRSZ);
	return reinterpret_cast<struct varlena *>(text);
}

std::string describe(Local<Context> context, Local<Value> value)
{
	TryCatch ignored(isolate());
	Local<String> string;

	if (value.IsEmpty() || !value->ToString(context).ToLocal(&string)) {
		if (value.IsEmpty() || stopped() || !value->ToDetailString(context).ToLocal(&string))
			return "unknown";
	}
	std::string text(static_cast<size_t>(string->Utf8Length(isolate())), '\0');
	string->WriteUtf8(isolate(), &text[0], static_cast<int>(text.size()), nullptr,
	                  String::NO_NULL_TERMINATION | String::REPLACE_INVALID_UTF8);
	for (char &c : text)
		if (c == '\0')
			c = ' ';
	return text;
}

}  // namespace plv8
