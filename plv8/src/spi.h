// spi.h: the two scopes that every operation on the database from JavaScript lives in.
#pragma once
#include "plv8.h"

namespace plv8 {

// An internal subtransaction, ended by one of the two verbs.
class Subtransaction {
public:
	// False with an exception pending.
	bool begin()
	{
		cxt_ = CurrentMemoryContext;
		owner_ = CurrentResourceOwner;
		return guarded_js([this] {
			frame_need_spi();
			if (!IsInParallelMode()) {
				BeginInternalSubTransaction(nullptr);
				MemoryContextSwitchTo(cxt_);
				begun_ = true;
			}
		});
	}
	// False with an exception pending; the subtransaction is gone either way.
	bool commit()
	{
		if (!begun_)
			return true;
		ErrorData *err = guarded([] { ReleaseCurrentSubTransaction(); });
		begun_ = err != nullptr;
		restore();
		if (err == nullptr)
			return true;
		abort();
		throw_pg(err);
		return false;
	}
	void abort()
	{
		if (!begun_)
			return;
		begun_ = false;
		ErrorData *err = guarded([] { RollbackAndReleaseCurrentSubTransaction(); });
		restore();
		if (err && !engine.fatal.load())
			engine.fatal = err;    // a transaction that cannot be put right ends
	}
	// Ends it with an error of the server, thrown into JavaScript.
	void fail(ErrorData *err)
	{
		bool bare = !begun_;
		abort();
		if (bare && !engine.fatal.load())
			engine.fatal = err;
		throw_pg(err);
	}
private:
	void restore()
	{
		MemoryContextSwitchTo(cxt_);
		CurrentResourceOwner = owner_;
	}
	MemoryContext cxt_ = nullptr;
	ResourceOwner owner_ = nullptr;
	bool begun_ = false;
};

// Memory of one operation. Made in the call's own context, so that a million operations leave nothing behind.
class Scratch {
public:
	Scratch()
	{
		old_ = CurrentMemoryContext;
		cxt_ = AllocSetContextCreate(engine.frame->entry_cxt, "plv8 operation", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(cxt_);
	}
	~Scratch()
	{
		MemoryContextSwitchTo(old_);
		MemoryContextDelete(cxt_);
	}
private:
	MemoryContext old_, cxt_;
};

}  // namespace plv8
