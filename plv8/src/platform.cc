// platform.cc: see platform.h.
#include "platform.h"

#include <map>

#define V8_NEWER(major, minor) (V8_MAJOR_VERSION > (major) || (V8_MAJOR_VERSION == (major) && V8_MINOR_VERSION >= (minor)))

namespace plv8 {

// -------------------------------------------------------------------------------------------------- pages

namespace {

// Passes everything on to V8's own allocator and remembers what is out.
class RecordingPages final : public v8::PageAllocator {
public:
	explicit RecordingPages(v8::PageAllocator *real) : real_(real) {}
	size_t AllocatePageSize() override { return real_->AllocatePageSize(); }
	size_t CommitPageSize() override { return real_->CommitPageSize(); }
	void SetRandomMmapSeed(int64_t seed) override { real_->SetRandomMmapSeed(seed); }
	void *GetRandomMmapAddr() override { return real_->GetRandomMmapAddr(); }
	void *AllocatePages(void *address, size_t length, size_t alignment, Permission permissions) override
	{
		void *got = real_->AllocatePages(address, length, alignment, permissions);
		if (got)
			regions_[reinterpret_cast<uintptr_t>(got)] = Region{length, permissions == kRead};
		return got;
	}
	bool FreePages(void *address, size_t length) override
	{
		regions_.erase(reinterpret_cast<uintptr_t>(address));
		return real_->FreePages(address, length);
	}
	bool ReleasePages(void *address, size_t length, size_t new_length) override
	{
		auto found = regions_.find(reinterpret_cast<uintptr_t>(address));
		if (found != regions_.end())
			found->second.length = new_length;
		return real_->ReleasePages(address, length, new_length);
	}
	bool SetPermissions(void *address, size_t length, Permission permissions) override
	{
		if (permissions == kRead)
			seal(reinterpret_cast<uintptr_t>(address));
		return real_->SetPermissions(address, length, permissions);
	}
#if V8_NEWER(10, 6)
	bool RecommitPages(void *address, size_t length, Permission permissions) override
	{
		return real_->RecommitPages(address, length, permissions);
	}
#endif
	bool DiscardSystemPages(void *address, size_t size) override { return real_->DiscardSystemPages(address, size); }
	bool DecommitPages(void *address, size_t size) override { return real_->DecommitPages(address, size); }

	void abandon()
	{
		for (auto it = regions_.begin(); it != regions_.end();) {
			if (it->second.sealed) {
				++it;
				continue;
			}
			(void) real_->FreePages(reinterpret_cast<void *>(it->first), it->second.length);
			it = regions_.erase(it);
		}
	}
private:
	struct Region {
		size_t length;
		bool sealed;
	};
	void seal(uintptr_t at)
	{
		auto after = regions_.upper_bound(at);
		if (after == regions_.begin())
			return;
		auto region = std::prev(after);
		if (at < region->first + region->second.length)
			region->second.sealed = true;
	}
	v8::PageAllocator *real_;
	std::map<uintptr_t, Region> regions_;
};

// -------------------------------------------------------------------------------------------------- tasks

// The signatures of two generations of V8; what is no virtual function in one is never called there.
class NoTasks final : public v8::TaskRunner {
public:
	void PostTask(std::unique_ptr<v8::Task>) {}
	void PostNonNestableTask(std::unique_ptr<v8::Task>) {}
	void PostDelayedTask(std::unique_ptr<v8::Task>, double) {}
	void PostNonNestableDelayedTask(std::unique_ptr<v8::Task>, double) {}
	void PostIdleTask(std::unique_ptr<v8::IdleTask>) {}
	bool IdleTasksEnabled() override { return false; }
	bool NonNestableTasksEnabled() const override { return true; }
	bool NonNestableDelayedTasksEnabled() const override { return true; }
#if V8_NEWER(11, 8)
protected:
	void PostTaskImpl(std::unique_ptr<v8::Task>, const v8::SourceLocation &) {}
	void PostNonNestableTaskImpl(std::unique_ptr<v8::Task>, const v8::SourceLocation &) {}
	void PostDelayedTaskImpl(std::unique_ptr<v8::Task>, double, const v8::SourceLocation &) {}
	void PostNonNestableDelayedTaskImpl(std::unique_ptr<v8::Task>, double, const v8::SourceLocation &) {}
	void PostIdleTaskImpl(std::unique_ptr<v8::IdleTask>, const v8::SourceLocation &) {}
#endif
};

class BackendPlatform final : public v8::Platform {
public:
	explicit BackendPlatform(std::unique_ptr<v8::Platform> real)
		: real_(std::move(real)), pages_(real_->GetPageAllocator()), no_tasks_(std::make_shared<NoTasks>()) {}
	v8::PageAllocator *GetPageAllocator() override { return &pages_; }
	int NumberOfWorkerThreads() override { return 0; }
	std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(Isolate *) { return no_tasks_; }
#if V8_NEWER(12, 3)
	std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(Isolate *, v8::TaskPriority) { return no_tasks_; }
#endif
	void CallOnWorkerThread(std::unique_ptr<v8::Task>) {}
	void CallDelayedOnWorkerThread(std::unique_ptr<v8::Task>, double) {}
	std::unique_ptr<v8::JobHandle> PostJob(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> job)
	{
		return v8::platform::NewDefaultJobHandle(this, priority, std::move(job), 0);
	}
	std::unique_ptr<v8::JobHandle> CreateJob(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> job)
	{
		return v8::platform::NewDefaultJobHandle(this, priority, std::move(job), 0);
	}
	double MonotonicallyIncreasingTime() override { return real_->MonotonicallyIncreasingTime(); }
	double CurrentClockTimeMillis() override { return real_->CurrentClockTimeMillis(); }
	v8::TracingController *GetTracingController() override { return real_->GetTracingController(); }
	RecordingPages &pages() { return pages_; }
#if V8_NEWER(11, 8)
protected:
	void PostTaskOnWorkerThreadImpl(v8::TaskPriority, std::unique_ptr<v8::Task>, const v8::SourceLocation &) override {}
	void PostDelayedTaskOnWorkerThreadImpl(v8::TaskPriority, std::unique_ptr<v8::Task>, double, const v8::SourceLocation &) override {}
	std::unique_ptr<v8::JobHandle> CreateJobImpl(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> job,
	                                             const v8::SourceLocation &) override
	{
		return v8::platform::NewDefaultJobHandle(this, priority, std::move(job), 0);
	}
#endif
private:
	std::unique_ptr<v8::Platform> real_;
	RecordingPages pages_;
	std::shared_ptr<v8::TaskRunner> no_tasks_;
};

BackendPlatform *platform;   // lives as long as the process: exit must not run V8's destructors

}  // namespace

v8::Platform *platform_start()
{
	platform = new BackendPlatform(v8::platform::NewSingleThreadedDefaultPlatform());
	return platform;
}

void platform_abandon_pages()
{
	platform->pages().abandon();
}

// ------------------------------------------------------------------------------------------------ buffers

namespace {

// Before each buffer, so that all can be freed when an isolate is given up. Keeps malloc's alignment.
struct alignas(16) Header {
	Header *next, *prev;
	size_t length;
	size_t pad;
};
Header ring = {&ring, &ring, 0, 0};
size_t buffer_bytes = 0;

class BufferAllocator final : public v8::ArrayBuffer::Allocator {
public:
	void *Allocate(size_t length) override { return buffer_allocate(length, true); }
	void *AllocateUninitialized(size_t length) override { return buffer_allocate(length, false); }
	void Free(void *data, size_t length) override { buffer_free(data, length); }
};

}  // namespace

void *buffer_allocate(size_t length, bool zeroed)
{
	size_t limit = engine_memory_limit();
	if (length > limit || buffer_bytes > limit - length)
		return nullptr;
	void *raw = zeroed ? calloc(1, length + sizeof(Header)) : malloc(length + sizeof(Header));
	if (raw == nullptr)
		return nullptr;
	Header *header = static_cast<Header *>(raw);
	header->length = length;
	header->next = ring.next;
	header->prev = &ring;
	ring.next->prev = header;
	ring.next = header;
	buffer_bytes += length;
	return header + 1;
}

void buffer_free(void *data, size_t)
{
	if (data == nullptr)
		return;
	Header *header = static_cast<Header *>(data) - 1;
	header->prev->next = header->next;
	header->next->prev = header->prev;
	buffer_bytes -= header->length;
	free(header);
}

void buffer_free_all()
{
	while (ring.next != &ring)
		buffer_free(ring.next + 1, 0);
}

v8::ArrayBuffer::Allocator *buffer_allocator()
{
	return new BufferAllocator();
}

}  // namespace plv8
