"""Files of further languages, as code_samples has them, and what each comes to."""

FURTHER = {
    ".lua": """local M = {}

--- doc of f
-- more
local function f(a)
  return a
end

function M.g(x)
  return x
end

function M:m()
  return self
end

M.k = function(a)
  return a
end

local h = function()
  return 1
end

return {
  go = function(a)
    return a
  end,
  ["x"] = 1,
}
""",
    ".dart": """import 'a.dart';

/// doc of A
@immutable
class A<T> extends B with C {
  final int x = 1;

  A(this.x);
  A.named(int y) {
    x = y;
  }
  factory A.of() {
    return A(1);
  }

  /// doc of m
  @override
  int m(int a) {
    return 1;
  }

  static Future<void> s() async {
    await f();
  }
  int get z => 1;
  set z(int v) {
    x = v;
  }
  bool operator ==(Object o) {
    return true;
  }
  void n();
}

mixin M on A {
  void q() {}
}

extension E on String {
  int w() => 1;
}

enum En { a, b }
enum Em {
  a, b;
  int k() {
    return 1;
  }
}

// doc of f
int f(int a) {
  return a;
}
int one() => 1;
typedef F = int Function(int);
""",
    ".r": r"""#' Doc of f
#' @export
f <- function(a, b = 1) {
  a + b
}

g = function(x) {
  x
}

h <- \(x) {
  x
}

A <- R6Class("A",
  public = list(
    x = NULL,
    m = function(a) {
      a
    }
  )
)
setMethod("show", "A", function(object) {
  cat(1)
})
print.foo <- function(x, ...) {
  invisible(x)
}
f(1)
`my fun<-` <- function(x, value) {
  x
}
""",
    ".ex": '''defmodule A.B do
  @moduledoc "x"
  use X

  @doc """
  doc of f
  """
  @spec f(integer) :: integer
  def f(a) when a > 1 do
    a
  end

  def f(a), do: a

  # note
  defp g(a) do
    a
  end

  defmacro m(x) do
    x
  end

  defmodule C do
    defstruct [:a]
    def q do
      1
    end
  end
end

defprotocol P do
  def size(x)
end

defimpl P, for: Map do
  def size(x) do
    1
  end
end
''',
    ".m": """#import "A.h"

/// doc of A
@interface A : NSObject <P>
@property (nonatomic) int x;
- (int)m:(int)a with:(int)b;
@end

@implementation A

/// doc of m
- (int)m:(int)a with:(int)b {
    return 1;
}

+ (instancetype)s {
    return nil;
}
@end

@implementation A (Cat)
- (void)q {
}
@end

@protocol P
- (void)z;
@end

static int f(int a) {
    return 1;
}
typedef struct {
    int z;
} T;
""",
    ".jl": '''module M
using X

"""
doc of f
"""
function f(a::Int) where T
    a
end

g(x) = x

h(x) = begin
    x
end

# doc of S
struct S{T} <: B
    a::Int
end

abstract type B end

mutable struct Q
    b
    Q(x) = new(x)
end

macro m(x)
    x
end

function Base.show(io, x::S)
    print(1)
end

@inline function k(x)
    x
end
end
''',
    ".pl": """#!/usr/bin/perl
package A::B;
use strict;

=head2 f

doc

=cut

# doc of f
sub f {
    my ($x) = @_;
    return 1;
}

sub g($x) {
    1;
}
1;

package C {
    sub q {
        2;
    }
}
my $h = sub {
    3;
};
f(1);
""",
    ".zig": """const std = @import("std");

/// doc of S
pub const S = struct {
    a: u32,

    /// doc of m
    pub fn m(self: *S) u32 {
        return 1;
    }
};

pub const E = enum { a, b };
const U = union(enum) {
    a: u32,
};

pub fn f(x: u32) !void {
    return;
}

pub fn List(comptime T: type) type {
    return struct {
        fn g() void {
        }
    };
}

test "it works" {
    try f(1);
}
""",
    ".proto": """syntax = "proto3";
package a.b;

// doc of M
message M {
  int32 x = 1;

  // doc of In
  message In {
    int32 y = 1;
  }
  enum E {
    A = 0;
  }
  oneof o {
    int32 z = 2;
  }
}

enum F {
  B = 0;
}

// doc of S
service S {
  // doc of Get
  rpc Get(M) returns (M) {
    option x = 1;
  }
  rpc Put(M) returns (M);
}
""",
    ".graphql": '''schema {
  query: Query
}

"""
doc of A
"""
type A implements N @key(fields: "id") {
  # x
  x(a: Int): Int
}

interface N {
  id: ID!
}

enum E {
  A
}

input I {
  a: Int
}

union U = A | B
scalar Date

extend type A {
  y: Int
}
directive @k(a: Int) on OBJECT

query Q($a: Int) {
  x(a: $a) {
    y
  }
}

fragment F on A {
  x
}
''',
    ".tf": """terraform {
  required_version = "1"
}

# doc of b
resource "a" "b" {
  x = 1

  ingress {
    y = 2
  }
}

// doc of v
variable "v" {
  default = 1
}

locals {
  a = 1
}
module "m" {
  source = "x"
}
""",
    ".ps1": """param($x)

<#
.SYNOPSIS
doc of f
#>
function Get-F {
    [CmdletBinding()]
    param($a)
    return 1
}

# doc of A
class A : B {
    [int] $x = 1

    A() {
        $this.x = 1
    }

    [int] M([int] $a) {
        return 1
    }
}
enum E {
    A
}
filter g {
    $_
}
Get-F 1
""",
    ".erl": """-module(a).
-export([f/1]).

-record(r, {
  a
}).

%% doc of f
-spec f(integer()) -> integer().
f(0) ->
  1;
f(X) ->
  X.

g() -> 1.

-define(M(X),
  X).
""",
    ".ml": """open X

(** doc of t *)
type t = {
  a : int;
}

(** doc of f *)
let rec f x =
  x + 1

and g y =
  y

let one = 1

module M = struct
  let h x =
    x
end

module type S = sig
  val f : int -> int
end

class c = object
  method m x =
    x
end

module F (X : S) = struct
  let k () =
    1
end
let () =
  f 1
""",
    ".sol": """pragma solidity ^0.8.0;

import "x.sol";

/// @title doc of A
contract A is B {
    uint x;

    event E(uint a);
    error Bad(uint a);
    struct S {
        uint a;
    }

    /// doc of m
    modifier only() {
        _;
    }
    constructor(uint a) {
        x = a;
    }
    /**
     * doc of f
     */
    function f(uint a) public only returns (uint) {
        return 1;
    }
    receive() external payable {
        x = 1;
    }
    function n() external;
}

interface I {
    function q() external;
}
library L {
    function z() internal {
    }
}
""",
}

# By suffix: kind, symbol, title and lines of each chunk.
FURTHER_FOUND: dict[str, list[tuple[str, str, str, int, int]]] = {
    ".lua": [
        ("module", "<module>", "", 1, 1),
        ("function", "f", "", 3, 7),
        ("function", "M.g", "", 9, 11),
        ("function", "M:m", "", 13, 15),
        ("function", "M.k", "", 17, 19),
        ("function", "h", "", 21, 23),
        ("module", "<module>", "", 25, 25),
        ("function", "go", "", 26, 28),
        ("module", "<module>", "", 29, 30),
    ],
    ".dart": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 8),
        ("method", "A.A.named", "class A<T> extends B with C", 9, 11),
        ("method", "A.A.of", "class A<T> extends B with C", 12, 14),
        ("method", "A.m", "class A<T> extends B with C", 16, 20),
        ("method", "A.s", "class A<T> extends B with C", 22, 24),
        ("method", "A.z", "class A<T> extends B with C", 25, 25),
        ("method", "A.z", "class A<T> extends B with C", 26, 28),
        ("method", "A.operator==", "class A<T> extends B with C", 29, 31),
        ("class", "A", "class A<T> extends B with C", 32, 33),
        ("class", "M", "", 35, 35),
        ("method", "M.q", "mixin M on A", 36, 37),
        ("class", "E", "", 39, 39),
        ("method", "E.w", "extension E on String", 40, 41),
        ("class", "En", "", 43, 43),
        ("class", "Em", "", 44, 45),
        ("method", "Em.k", "enum Em", 46, 49),
        ("function", "f", "", 51, 54),
        ("function", "one", "", 55, 55),
        ("module", "<module>", "", 56, 56),
    ],
    ".r": [
        ("function", "f", "", 1, 5),
        ("function", "g", "", 7, 9),
        ("function", "h", "", 11, 13),
        ("class", "A", "", 15, 17),
        ("method", "A.m", 'A <- R6Class("A"', 18, 22),
        ("function", "show", "", 23, 25),
        ("function", "print.foo", "", 26, 28),
        ("module", "<module>", "", 29, 29),
        ("function", "my fun<-", "", 30, 32),
    ],
    ".ex": [
        ("module", "A.B", "", 1, 3),
        ("function", "A.B.f", "defmodule A.B", 5, 13),
        ("function", "A.B.g", "defmodule A.B", 15, 18),
        ("function", "A.B.m", "defmodule A.B", 20, 22),
        ("module", "A.B.C", "defmodule A.B", 24, 25),
        ("function", "A.B.C.q", "defmodule C", 26, 30),
        ("class", "P", "", 32, 32),
        ("method", "P.size", "defprotocol P", 33, 34),
        ("class", "P", "", 36, 36),
        ("method", "P.size", "defimpl P, for: Map", 37, 40),
    ],
    ".m": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 7),
        ("class", "A", "", 9, 9),
        ("method", "A.m:with:", "@implementation A", 11, 14),
        ("method", "A.s", "@implementation A", 16, 19),
        ("class", "A", "", 21, 21),
        ("method", "A.q", "@implementation A (Cat)", 22, 24),
        ("class", "P", "", 26, 28),
        ("function", "f", "", 30, 32),
        ("class", "T", "", 33, 35),
    ],
    ".jl": [
        ("module", "M", "", 1, 2),
        ("function", "M.f", "module M", 4, 9),
        ("function", "M.g", "module M", 11, 11),
        ("function", "M.h", "module M", 13, 15),
        ("class", "M.S", "module M", 17, 20),
        ("module", "M", "module M", 22, 22),
        ("class", "M.Q", "module M", 24, 25),
        ("method", "M.Q.Q", "mutable struct Q", 26, 27),
        ("function", "M.m", "module M", 29, 31),
        ("function", "M.Base.show", "module M", 33, 35),
        ("function", "M.k", "module M", 37, 40),
    ],
    ".pl": [
        ("module", "<module>", "", 1, 3),
        ("function", "f", "", 5, 15),
        ("function", "g", "", 17, 19),
        ("module", "<module>", "", 20, 20),
        ("class", "C", "", 22, 22),
        ("method", "C::q", "package C", 23, 26),
        ("function", "h", "", 27, 29),
        ("module", "<module>", "", 30, 30),
    ],
    ".zig": [
        ("module", "<module>", "", 1, 1),
        ("class", "S", "", 3, 5),
        ("method", "S.m", "const S = struct", 7, 11),
        ("class", "E", "", 13, 13),
        ("class", "U", "", 14, 16),
        ("function", "f", "", 18, 20),
        ("class", "List", "", 22, 23),
        ("method", "List.g", "fn List(comptime T: type) type", 24, 27),
        ("function", "it works", "", 29, 31),
    ],
    ".proto": [
        ("module", "<module>", "", 1, 2),
        ("class", "M", "", 4, 6),
        ("class", "M.In", "message M", 8, 11),
        ("class", "M.E", "message M", 12, 14),
        ("class", "M", "message M", 15, 18),
        ("class", "F", "", 20, 22),
        ("class", "S", "", 24, 25),
        ("method", "S.Get", "service S", 26, 29),
        ("method", "S.Put", "service S", 30, 31),
    ],
    ".graphql": [
        ("module", "<module>", "", 1, 3),
        ("class", "A", "", 5, 11),
        ("class", "N", "", 13, 15),
        ("class", "E", "", 17, 19),
        ("class", "I", "", 21, 23),
        ("class", "U", "", 25, 25),
        ("class", "Date", "", 26, 26),
        ("class", "A", "", 28, 30),
        ("module", "<module>", "", 31, 31),
        ("function", "Q", "", 33, 37),
        ("function", "F", "", 39, 41),
    ],
    ".tf": [
        ("class", "terraform", "", 1, 3),
        ("class", "a.b", "", 5, 12),
        ("class", "variable.v", "", 14, 17),
        ("class", "locals", "", 19, 21),
        ("class", "module.m", "", 22, 24),
    ],
    ".ps1": [
        ("module", "<module>", "", 1, 1),
        ("function", "Get-F", "", 3, 11),
        ("class", "A", "", 13, 15),
        ("method", "A.A", "class A : B", 17, 19),
        ("method", "A.M", "class A : B", 21, 24),
        ("class", "E", "", 25, 27),
        ("function", "g", "", 28, 30),
        ("module", "<module>", "", 31, 31),
    ],
    ".erl": [
        ("module", "<module>", "", 1, 2),
        ("class", "r", "", 4, 6),
        ("function", "f", "", 8, 13),
        ("function", "g", "", 15, 15),
        ("module", "<module>", "", 17, 18),
    ],
    ".ml": [
        ("module", "<module>", "", 1, 1),
        ("class", "t", "", 3, 6),
        ("function", "f", "", 8, 10),
        ("function", "g", "", 12, 13),
        ("module", "<module>", "", 15, 15),
        ("module", "M", "", 17, 17),
        ("function", "M.h", "M", 18, 20),
        ("class", "S", "", 22, 24),
        ("class", "c", "", 26, 26),
        ("method", "c.m", "c", 27, 29),
        ("module", "F", "", 31, 31),
        ("function", "F.k", "F (X : S)", 32, 34),
        ("module", "<module>", "", 35, 36),
    ],
    ".sol": [
        ("module", "<module>", "", 1, 3),
        ("class", "A", "", 5, 10),
        ("class", "A.S", "contract A is B", 11, 13),
        ("method", "A.only", "contract A is B", 15, 18),
        ("method", "A.constructor", "contract A is B", 19, 21),
        ("method", "A.f", "contract A is B", 22, 27),
        ("method", "A.receive", "contract A is B", 28, 30),
        ("class", "A", "contract A is B", 31, 32),
        ("class", "I", "", 34, 36),
        ("class", "L", "", 37, 37),
        ("method", "L.z", "library L", 38, 40),
    ],
}
