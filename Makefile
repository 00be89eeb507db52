# goqmail: see README.md. "make help" lists the targets.

SHELL = /bin/sh
GO ?= go

# Compile-time choices: the first line of each conf-* file.
HOME_DIR := $(shell head -n 1 conf-qmail)
first = $(shell head -n 1 $(1))
PKG = goqmail/internal/conf
LDFLAGS = -s -w -X $(PKG).home=$(HOME_DIR) -X $(PKG).brk=$(call first,conf-break) \
	-X $(PKG).patrn=$(call first,conf-patrn) -X $(PKG).spawn=$(call first,conf-spawn) \
	-X $(PKG).split=$(call first,conf-split) -X $(PKG).version=$(call first,VERSION) \
	-X '$(PKG).users=$(strip $(shell head -n 8 conf-users))' -X '$(PKG).groups=$(strip $(shell head -n 2 conf-groups))'
BUILDFLAGS = -trimpath -buildvcs=false
BUILDENV = CGO_ENABLED=0 GOFLAGS=

it: build ## build all programs into build/ (also plain "make")

# qmail-queue, set-user-id, is entered through internal/sys/shield, the others
# through internal/sys/single, where these have machine code for the processor.
ENTRY = $(if $(filter amd64 arm64 386,$(shell $(GO) env GOARCH 2>/dev/null)),-E goqmail_$(1))
GOBUILD = $(BUILDENV) $(GO) build $(BUILDFLAGS) -ldflags
build: FORCE
	@sh scripts/need-go
	@mkdir -p build; echo "building into build/"
	@$(GOBUILD) "$(LDFLAGS) $(call ENTRY,single)" -o build/ $(filter-out ./cmd/qmail-queue,$(patsubst %/,./%,$(wildcard cmd/*/))) ./tools/install
	@$(GOBUILD) "$(LDFLAGS)" -o build/ ./tools/mailonce
	@$(GOBUILD) "$(LDFLAGS) $(call ENTRY,shield)" -o build/ ./cmd/qmail-queue

man: ## nothing to build: manual pages are installed as they are

setup: it ## install or upgrade the tree; DESTDIR is put before the home
	@DESTDIR='$(DESTDIR)' build/install instpackage
	@[ "$$(id -u)" = 0 ] || DESTDIR='$(DESTDIR)' build/install instchown
	@[ -n '$(DESTDIR)' ] || HOME_DIR='$(HOME_DIR)' sh scripts/after-setup

instpackage: it ## the part of setup that an ordinary user can do
	@DESTDIR='$(DESTDIR)' build/install instpackage

instchown: it ## give a packaged tree its owners
	@DESTDIR='$(DESTDIR)' build/install instchown

check: it ## compare the installed tree with what it should be
	@DESTDIR='$(DESTDIR)' build/install instcheck

uninstall: it ## remove programs, start scripts and manual pages; queue, control, users, alias stay
	@DESTDIR='$(DESTDIR)' build/install uninstall

setup-nullclient: it ## install a null client: ME=this.host SITE=for.addresses SERVERS='IP ...'
	@DESTDIR='$(DESTDIR)' build/install nullclient '$(ME)' '$(SITE)' $(SERVERS)

sendmail-links: it ## make /usr/sbin/sendmail, /usr/lib/sendmail, /usr/bin/mailq, newaliases ours
	@DESTDIR='$(DESTDIR)' build/install sendmail-links

sendmail-unlinks: it ## undo sendmail-links
	@DESTDIR='$(DESTDIR)' build/install sendmail-unlinks

quickstart: ## from a fresh machine to two delivered messages (root)
	@MAKE='$(MAKE)' HOME_DIR='$(HOME_DIR)' DESTDIR='$(DESTDIR)' sh scripts/quickstart

SERVICE = [ -x '$(HOME_DIR)/boot/service' ] || { echo 'goqmail: nothing is installed in $(HOME_DIR) yet' >&2; exit 1; }; '$(HOME_DIR)/boot/service'

start: ## start qmail and SMTP on the loopback, as quickstart does
	@$(SERVICE) start

stop: ## stop what quickstart or start started
	@$(SERVICE) stop

restart: ## stop, wait for running deliveries, start
	@$(SERVICE) restart

test: it ## as a user: what needs no root; as root: all, in private namespaces
	@sh scripts/test

e2e: it ## tests of the installed tree (root)
	@sh scripts/test e2e

crash: it ## loss of power, kills, failing calls, clock jumps (root); CRASHTIME=seconds for longer
	@sh scripts/test crash

race: ## unit tests with the race detector
	CGO_ENABLED=1 $(GO) test -race ./...

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME (10s)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh scripts/fuzz

lint: ## gofmt, vet (also for 386), floor plan, manual pages
	@GO='$(GO)' sh scripts/lint

bench-exec: it ## start-up time and memory of each program beside an empty C program
	@GO='$(GO)' sh scripts/bench-exec

bench: it ## rates and CPU of the whole beside Postfix (root): docs/PERFORMANCE.md, OPTIONS=-h
	@GO='$(GO)' MAKE='$(MAKE)' sh scripts/bench

dist: ## build/goqmail-VERSION.tar.gz: the sources, the same bytes everywhere
	@sh scripts/dist

deb: it ## build/goqmail_VERSION_ARCH.deb: a Debian package, the same bytes everywhere
	@GO='$(GO)' HOME_DIR='$(HOME_DIR)' sh scripts/deb

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 26

FORCE:
.PHONY: it man setup instpackage instchown check uninstall setup-nullclient sendmail-links sendmail-unlinks \
	quickstart start stop restart test e2e crash race fuzz lint bench bench-exec dist deb clean help FORCE
