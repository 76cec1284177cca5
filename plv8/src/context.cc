// context.cc: one JavaScript world per effective role and session.
//
// Code that runs as a role shares globals with nothing but other code that runs as that role. A world that is
// reset while calls run in it is taken out of the table at once and freed when the last of them has returned.
#include "plv8.h"

extern "C" {
#include "catalog/namespace.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
}

namespace plv8 {

std::vector<World *> worlds;
static const int WORLD_SLOT = 1;   // embedder data slot of the context that points back

World *world_of(Local<Context> context)
{
	if (context->GetNumberOfEmbedderDataFields() <= WORLD_SLOT)
		return nullptr;
	return static_cast<World *>(context->GetAlignedPointerFromEmbedderData(WORLD_SLOT));
}

static void world_free(World *world)
{
	for (auto &entry : world->procs)
		proc_free(entry.second);
	world->noop.Reset();
	world->context.Reset();
	delete world;
	isolate()->ContextDisposedNotification(false);
}

void world_release(World *world)
{
	if (--world->users == 0 && world->dead)
		world_free(world);
}

static void bury(World *world)
{
	world->dead = true;
	if (world->users == 0)
		world_free(world);
}

void world_reset(Oid role)
{
	for (size_t i = 0; i < worlds.size(); i++)
		if (worlds[i]->role == role) {
			World *world = worlds[i];
			worlds.erase(worlds.begin() + static_cast<long>(i));
			bury(world);
			return;
		}
}

void worlds_reset_all()
{
	std::vector<World *> all;
	all.swap(worlds);
	for (World *world : all)
		bury(world);
}

void worlds_forget()
{
	worlds.clear();      // what they hold is leaked: a handle's destructor would call the lost isolate
}

// The function that plv8.start_proc names, if this role may and should run it. Raises nothing.
static ErrorData *run_start_proc(World *world, Local<Context> context)
{
	Oid oid = InvalidOid;
	const char *name = settings.start_proc;

	if (name == nullptr || name[0] == '\0' || !settings_start_proc_allowed(world->role))
		return nullptr;
	bool allowed = false;
	ErrorData *err = guarded([&] {
		oid = strchr(name, '(') ? DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(name)))
		                        : DatumGetObjectId(DirectFunctionCall1(regprocin, CStringGetDatum(name)));
		allowed = OidIsValid(oid) && proc_executable(oid);
	});
	if (err == nullptr && !OidIsValid(oid))
		return nullptr;
	if (err == nullptr && !allowed)
		return guarded([&] { ereport(WARNING, (errmsg("failed to find or no permission for js function %s", name))); });
	Proc *proc = nullptr;
	if (err == nullptr)
		proc = proc_find_named(world, oid, name, &err);
	if (err) {
		if (err->sqlerrcode == ERRCODE_QUERY_CANCELED)
			return err;
		ErrorData *late = guarded([&] { ereport(WARNING, (errmsg("failed to find js function %s", err->message))); });
		FreeErrorData(err);
		return late;
	}
	if (!start_proc_owner_allowed(world->role, oid)) {
		proc_unref(proc);
		return nullptr;
	}
	Local<Value> ignored;
	err = invoke(world, context, proc->function.Get(isolate()), name, 0, nullptr, &ignored);
	proc_unref(proc);
	return err;
}

World *world_enter(ErrorData **err)
{
	Oid role = GetUserId();

	for (World *world : worlds)
		if (world->role == role) {
			world->users++;
			return world;
		}

	Isolate *iso = isolate();
	HandleScope scope(iso);
	auto queue = v8::MicrotaskQueue::New(iso, v8::MicrotasksPolicy::kExplicit);
	Local<Context> context = Context::New(iso, nullptr, api_global_template(iso), MaybeLocal<Value>(),
	                                      v8::DeserializeInternalFieldsCallback(), queue.get());
	if (context.IsEmpty()) {
		iso->CancelTerminateExecution();
		*err = make_error(ERRCODE_OUT_OF_MEMORY, "V8 could not make a new context");
		return nullptr;
	}
	World *world = new World();
	world->role = role;
	world->queue = std::move(queue);
	world->context.Reset(iso, context);
	world->users = 1;
	context->SetAlignedPointerInEmbedderData(WORLD_SLOT, world);
	worlds.push_back(world);

	bool ok;
	{
		Context::Scope entered(context);
		TryCatch caught(iso);
		InJs in(true);
		ok = api_install(context);
		Local<Function> noop;
		if (ok && compile_body(context, "noop", "", {}).ToLocal(&noop))
			world->noop.Reset(iso, noop);
		else
			*err = take_error(caught, context, "plv8");
	}
	if (*err == nullptr) {
		Context::Scope entered(context);
		*err = run_start_proc(world, context);
	}
	if (*err) {
		world_reset(role);
		world_release(world);
		return nullptr;
	}
	return world;
}

}  // namespace plv8
