// settings.cc: the plv8.* settings, and who may set what for whom.
#include "plv8.h"

extern "C" {
#include "catalog/pg_proc.h"
#include "utils/guc.h"
#include "utils/syscache.h"
}

namespace plv8 {

Settings settings = {nullptr, nullptr, nullptr, 256, 300};

// The role that chose the present start_proc; InvalidOid for the configuration file's or a default.
struct StartProcExtra {
	Oid setter;
};
static StartProcExtra *start_proc_extra = nullptr;

bool role_is_superuser(Oid role)
{
	bool yes = false;
	ErrorData *err = guarded([&] { yes = superuser_arg(role); });
	if (err)
		FreeErrorData(err);
	return yes && err == nullptr;
}

static bool check_start_proc(char **, void **extra, GucSource source)
{
#if PG_VERSION_NUM >= 160000
	StartProcExtra *made = static_cast<StartProcExtra *>(guc_malloc(LOG, sizeof(StartProcExtra)));
#else
	StartProcExtra *made = static_cast<StartProcExtra *>(malloc(sizeof(StartProcExtra)));
#endif
	if (made == nullptr)
		return false;
	made->setter = InvalidOid;
	// A database's settings are its owner's, a role's are its own, so neither speaks for somebody else. Where nobody
	// is logged in yet (the postmaster reads its file) there is nobody to blame.
	if (source >= PGC_S_DATABASE && OidIsValid(MyDatabaseId))
		made->setter = source >= PGC_S_INTERACTIVE ? GetUserId() : GetSessionUserId();
	*extra = made;
	return true;
}

static void assign_start_proc(const char *, void *extra)
{
	start_proc_extra = static_cast<StartProcExtra *>(extra);
}

bool settings_start_proc_allowed(Oid role)
{
	Oid setter = start_proc_extra ? start_proc_extra->setter : InvalidOid;
	return !OidIsValid(setter) || setter == role || role_is_superuser(setter);
}

bool start_proc_owner_allowed(Oid role, Oid function)
{
	// As oneself, one's search_path and settings are one's own affair. Inside a SECURITY DEFINER call they belong to
	// somebody else, and only a function that the definer or a superuser owns may answer to the name.
	if (role == GetOuterUserId())
		return true;
	Oid owner = InvalidOid;
	ErrorData *err = guarded([&] {
		HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		if (HeapTupleIsValid(tuple)) {
			owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
			ReleaseSysCache(tuple);
		}
	});
	if (err) {
		FreeErrorData(err);
		return false;
	}
	return owner == role || role_is_superuser(owner);
}

// Flags that only tune, for everybody. All others may show or break what the sandbox rests on.
static bool harmless_flag(const std::string &flag)
{
	static const char *const plain[] = {"opt", "jitless", "lazy", "use_strict", "optimize_for_size", "always_opt",
	                                    "sparkplug", "maglev", "stress_compaction", "regexp_tier_up"};
	std::string name = flag;
	while (!name.empty() && name[0] == '-')
		name.erase(0, 1);
	size_t value = name.find('=');
	if (value != std::string::npos)
		name.erase(value);
	for (char &c : name)
		if (c == '-')
			c = '_';
	if (name.compare(0, 3, "no_") == 0)
		name.erase(0, 3);
	if (name.compare(0, 8, "harmony_") == 0 || name == "harmony" || name == "stack_trace_limit")
		return true;
	for (const char *ok : plain)
		if (name == ok || name == std::string("no") + ok)
			return true;
	return false;
}

static bool check_v8_flags(char **value, void **, GucSource source)
{
	const char *text = *value ? *value : "";
	if (source < PGC_S_CLIENT && source != PGC_S_USER && source != PGC_S_DATABASE_USER)
		return true;
	bool trusted = OidIsValid(MyDatabaseId) && superuser_arg(GetUserId()) && superuser_arg(GetSessionUserId());
	if (trusted)
		return true;
	std::string flag;
	for (const char *c = text;; c++) {
		if (*c && !isspace(static_cast<unsigned char>(*c))) {
			flag += *c;
			continue;
		}
		if (!flag.empty() && !harmless_flag(flag)) {
			GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
			GUC_check_errmsg("permission denied to set the V8 flag \"%s\"", flag.c_str());
			GUC_check_errhint("Only a superuser may set V8 flags other than --harmony*, --stack-trace-limit and those that tune compilation.");
			return false;
		}
		flag.clear();
		if (*c == '\0')
			return true;
	}
}

static void assign_timeout(int seconds, void *)
{
	watch.limit_s.store(seconds);
}

void settings_define()
{
	DefineCustomStringVariable("plv8.start_proc", "PLV8 function to run once when a role first uses JavaScript in a session.",
	                           nullptr, &settings.start_proc, "", PGC_USERSET, 0, check_start_proc, assign_start_proc, nullptr);
	DefineCustomStringVariable("plv8.v8_flags", "V8 engine initialization flags, read when a session first uses JavaScript.",
	                           nullptr, &settings.v8_flags, "", PGC_USERSET, 0, check_v8_flags, nullptr, nullptr);
	DefineCustomStringVariable("plv8.icu_data", "Accepted for compatibility: this V8 has its ICU data built in.",
	                           nullptr, &settings.icu_data, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
	DefineCustomIntVariable("plv8.memory_limit", "Limit of the JavaScript heap and buffers of a session, in MB.",
	                        nullptr, &settings.memory_limit, 256, 256, 3096, PGC_SUSET, 0, nullptr, nullptr, nullptr);
	DefineCustomIntVariable("plv8.execution_timeout", "Longest time a call may spend in JavaScript, in seconds; 0 for no limit.",
	                        nullptr, &settings.execution_timeout, 300, 0, 65536, PGC_USERSET, 0, nullptr, assign_timeout, nullptr);
	watch.limit_s.store(settings.execution_timeout);
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("plv8");
#else
	EmitWarningsOnPlaceholders("plv8");
#endif
}

}  // namespace plv8
