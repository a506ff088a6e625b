# textcls: build, install and test with PGXS.  See README.md.
EXTENSION  = textcls
EXTVERSION = 1.0
MODULE_big = textcls
DATA       = $(wildcard sql/textcls--*.sql)

# The rooms, lowest level first; src/README.md draws them.
CORE_ROOMS = base kernels tokenizer encoder model evaluate classify train
PG_ROOMS   = bridge store jobs query api
CORE_OBJS  = $(patsubst %.c,%.o,$(foreach room,$(CORE_ROOMS),$(sort $(wildcard src/$(room)/*.c))))
PG_OBJS    = $(patsubst %.c,%.o,$(foreach room,$(PG_ROOMS),$(sort $(wildcard src/$(room)/*.c))))
OBJS       = $(CORE_OBJS) $(PG_OBJS)

# Single-threaded OpenBLAS only: the threaded builds start threads when they are
# loaded.  jansson static and hidden: the server has symbols of the same names.
MULTIARCH    := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBRARY_DIRS  = /usr/lib/$(MULTIARCH) /usr/local/lib /usr/lib64 /usr/lib
find_library  = $(firstword $(wildcard $(foreach dir,$(LIBRARY_DIRS),$(addprefix $(dir)/,$(1)))))
OPENBLAS_LIB ?= $(call find_library,openblas-serial/libopenblas.a libopenblas_serial.a)
JANSSON_LIB  ?= $(call find_library,libjansson.a)
UTF8PROC_LIB ?= $(call find_library,libutf8proc.a)
CBLAS_DIR    ?= $(dir $(firstword $(wildcard /usr/include/$(MULTIARCH)/openblas-serial/cblas.h /usr/include/openblas/cblas.h /usr/include/cblas.h)))
LIBRARIES     = $(OPENBLAS_LIB) $(JANSSON_LIB) $(UTF8PROC_LIB)

# Debian compiles libjansson.a for programs: the one address that a shared library cannot take is that of
# stdin, in json_loadf(), which nothing calls.  A local symbol stands in for it.
JANSSON_STDIN = -Wl,--defsym=stdin=__bss_start

PG_CPPFLAGS = -DTEXTCLS_VERSION=\"$(EXTVERSION)\" -I$(srcdir)/src -I$(CBLAS_DIR)
SHLIB_LINK  = $(LIBRARIES) $(JANSSON_STDIN) -lm -Wl,--version-script=$(srcdir)/src/exports.map -Wl,-Bsymbolic -Wl,--gc-sections

REGRESS        = $(shell cat $(srcdir)/test/sql/schedule 2>/dev/null)
REGRESS_OPTS   = --inputdir=test --load-extension=textcls
ISOLATION      = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=output_iso --load-extension=textcls
TAP_TESTS      = 1
PROVE_TESTS    = test/t/*.pl

EXTRA_CLEAN    = $(wildcard src/*/*.o src/*/*.bc) test/unit/build test/fuzz/build test/bench/build test/emulated/build

# No bitcode: JIT would inline our functions and then miss those that the library hides.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error textcls: no server headers; install postgresql-server-dev-15 or set PG_CONFIG)
endif
include $(PGXS)

# PGXS does not track headers.
$(OBJS): $(wildcard src/*/*.h src/*/*.inc) Makefile
all: check-libraries
$(OBJS): | check-libraries
$(shlib): src/exports.map

src/kernels/%.o src/encoder/%.o src/train/%.o: CFLAGS += -O3 -fno-math-errno -fno-trapping-math -fopenmp-simd

.PHONY: check-libraries unit lint headers-check fuzz fuzz-replay
check-libraries:
	@test -n "$(OPENBLAS_LIB)" || { echo "textcls: no single-threaded OpenBLAS; install libopenblas-serial-dev or set OPENBLAS_LIB" >&2; exit 1; }
	@test -n "$(CBLAS_DIR)" || { echo "textcls: no cblas.h; install libopenblas-serial-dev or set CBLAS_DIR" >&2; exit 1; }
	@test -n "$(JANSSON_LIB)" || { echo "textcls: no static jansson; install libjansson-dev or set JANSSON_LIB" >&2; exit 1; }
	@test -n "$(UTF8PROC_LIB)" || { echo "textcls: no static utf8proc; install libutf8proc-dev or set UTF8PROC_LIB" >&2; exit 1; }

unit:
	$(MAKE) -C test/unit check
lint: all
	PG_CONFIG=$(PG_CONFIG) test/lint/check_rooms.sh
headers-check:
	PG_CONFIG=$(PG_CONFIG) test/lint/check_rooms.sh core_headers server_headers header_guards
# A long hunt, and the corpus alone.
fuzz:
	$(MAKE) -C test/fuzz run
fuzz-replay:
	$(MAKE) -C test/fuzz replay

# Rates of the network on one core, and of PyTorch beside it (PEER_PYTHON has torch and transformers).
.PHONY: bench bench-accuracy bench-network bench-network-peer bench-train minilm-check
bench-network:
	$(MAKE) -C test/bench run
bench-network-peer:
	$(MAKE) -C test/bench peer
# What training from scratch reaches: TRAIN=file TEST=file, a line "label<TAB>text" a text.
bench-train:
	$(MAKE) -C test/bench train TRAIN=$(abspath $(TRAIN)) TEST=$(abspath $(TEST))
# Through SQL, beside the peers of test/bench/requirements.txt (PEER_PYTHON), on the data sets of TEXTCLS_DATA.
bench:
	test/bench/bench.sh
bench-accuracy:
	test/bench/bench.sh accuracy
# Embeddings of all-MiniLM-L6-v2 on 1,000 real texts, compared with transformers (PEER_PYTHON has them).
minilm-check:
	$(MAKE) -C test/bench minilm

# Unit tests of the kernels on an emulated processor with AVX-512 and VNNI (Bochs; test/emulated/Makefile).
.PHONY: emulated-check
emulated-check:
	$(MAKE) -C test/emulated check

# Ids and offsets against Hugging Face on the data sets of TEXTCLS_DATA and RANDOM random strings: about an hour.
.PHONY: tokenizer-diff
tokenizer-diff:
	$(MAKE) -C test/tokenizer_diff run
