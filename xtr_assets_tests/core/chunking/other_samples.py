"""Files of the languages that came last, as code_samples has them, and what each comes to."""

OTHER = {
    ".hs": """{-# LANGUAGE LambdaCase #-}
module Data.Door (open, Door(..)) where

import qualified Data.Map as M

-- | A door.
data Door = Door
  { name :: String
  , width :: Int
  } deriving (Show)

newtype Key = Key Int

type Doors = [Door]

-- | Opens a door.
-- Twice.
open :: Door -> Key -> Maybe Door
open (Door n _) (Key 0) = Nothing
open d k
  | width d > 3 = Just d
  | otherwise = go d
  where
    go x = Just x

class Shut a where
  shut :: a -> a
  shut x = x

instance Shut Door where
  shut d = d { width = 0 }

infixl 4 <+>
(<+>) :: Int -> Int -> Int
a <+> b = a + b

{- | The main.
-}
main :: IO ()
main = print 1
""",
    ".purs": """module Door where

import Prelude

-- | A door.
data Door = Door
  { name :: String
  }

-- | Opens.
open :: Door -> Int -> Door
open d 0 = d
open d _ =
  d

class Shut a where
  shut :: a -> a

instance shutDoor :: Shut Door where
  shut d = d
""",
    ".elm": """module Door exposing (open)

import Html exposing (Html)


{-| A door.
-}
type alias Door =
    { name : String
    , width : Int
    }


type Msg
    = Open
    | Shut Int


{-| Opens a door.
-}
open : Door -> Msg -> Door
open door msg =
    case msg of
        Open ->
            door

        Shut n ->
            door


port save : String -> Cmd msg


main =
    Html.text "a"
""",
    ".fs": """namespace Door.Core

open System

/// <summary>A key.</summary>
type Key =
    { Id: int
      Name: string }

type Shape =
    | Square of int
    | Circle of float

module Doors =
    let width = 3

    /// Opens a door.
    let open' (k: Key) x =
        let y = x + 1
        y

    let rec shut d =
        shut d

type Door(name: string) =
    let mutable wide = 0
    member this.Name = name
    /// Opens.
    member this.Open(k: Key) =
        wide <- 1
        k
    static member Make() =
        Door("a")
    interface IDisposable with
        member this.Dispose() =
            ()

type Tree<'T> =
    | Leaf
    | Node of 'T

[<Fact>]
let ``opens a door`` () =
    1

[<EntryPoint>]
let main argv =
    printfn "a"
    0
""",
    ".nix": """{ lib, pkgs, ... }:

let
  # Makes a door.
  mkDoor = { name, width ? 3 }:
    pkgs.stdenv.mkDerivation {
      inherit name;
    };

  plain = 1;

  shut = d: d;
in {
  options.services.door = {
    enable = lib.mkEnableOption "door";

    width = lib.mkOption {
      type = lib.types.int;
      default = 3;
      description = "How wide.";
    };
  };

  config = lib.mkIf true {
    systemd.services.door = {
      script = ''
        echo a
      '';
    };
  };

  inherit mkDoor;
}
""",
    ".jsonnet": """local width = 3;

// Makes a door.
local mkDoor(name) = {
  name: name,
};

{
  doors: [mkDoor('a')],
  open(key):: {
    k: key,
  },
}
""",
    ".clj": """(ns door.core
  "Doors."
  (:require [clojure.string :as str]))

(def width 3)

;; Opens a door.
(defn open
  "Opens a door wide."
  [door key]
  (when (= key 0)
    door))

(defn- ^:private shut [d]
  d)

(defmacro with-door [d & body]
  `(let [x# ~d] ~@body))

(defprotocol Lock
  "A lock."
  (lock [this])
  (unlock [this k]))

(defrecord Door [name]
  Lock
  (lock [this] this)
  (unlock [this k]
    k))

(defmulti area :shape)
(defmethod area :square [s]
  (* s s))

(comment
  (open 1 2))

(deftest open-test
  (is (= 1 1)))

#?(:clj
   (defn only-clj [x]
     x))
""",
    ".el": """;;; door.el --- Doors  -*- lexical-binding: t -*-

;;; Code:
(require 'cl-lib)

(defgroup door nil
  "Doors."
  :group 'tools)

(defcustom door-width 3
  "How wide a door is."
  :type 'integer)

(defvar door--open nil)

(defconst door-keys '(a b)
  "The keys.")

;;;###autoload
(defun door-open (door &optional key)
  "Open DOOR with KEY.
More."
  (interactive)
  (message "a"))

(defmacro door-with (door &rest body)
  `(let ((d ,door)) ,@body))

(cl-defun door-shut (door &key wide)
  "Shut DOOR."
  door)

(cl-defmethod door-lock ((d door))
  d)

(cl-defstruct door
  name
  width)

(define-minor-mode door-mode
  "Toggle doors."
  :lighter " D"
  (door-open 1))

(defface door-face
  '((t :inherit bold))
  "A face.")

(provide 'door)
;;; door.el ends here
""",
    ".lisp": """(in-package :door)

(defvar *width* 3)

;; Opens a door.
(defun open-door (door &optional key)
  "Opens DOOR."
  (list door
        key))

(defmacro with-door ((d) &body body)
  `(let ((d ,d)) ,@body))

(defclass door ()
  ((name :initarg :name)
   (width :initform 3)))

(defmethod shut ((d door))
  d)

(defgeneric lock (door)
  (:documentation "Locks."))

(defstruct key
  id)

(define-condition jammed (error)
  ())
(eval-when (:compile-toplevel)
  (defun inner (x)
    x))
""",
    ".scm": """(define-module (door core)
  #:export (open))

(define width 3)

;; Opens a door.
(define (open door key)
  (if key
      door
      #f))

(define shut
  (lambda (d)
    d))

(define-syntax with-door
  (syntax-rules ()
    ((_ d) d)))

(define-record-type door
  (make-door name)
  door?
  (name door-name))

(define-public (lock d)
  d)

(define* (key #:optional x)
  x)
""",
    ".rkt": """#lang racket
(require racket/list)

(provide open)

;; Opens a door.
(define (open door key)
  (if key
      door
      #f))

(define ((curried a) b)
  (+ a b))

(struct door (name width)
  #:transparent)

(define-syntax-rule (with-door d)
  d)

(define door%
  (class object%
    (define/public (shut x)
      x)
    (super-new)))

(define/contract (lock d)
  (-> any/c any/c)
  d)

(module+ test
  (check-equal? 1 1))
""",
    ".css": """@charset "utf-8";
@import "x.css";

:root {
  --door: red;
}

/* A door. */
.door,
.gate > a:hover {
  color: red;
  width: 3px;
}

@media (max-width: 600px) {
  .door {
    width: 1px;
  }
}

@keyframes open {
  from { left: 0; }
  to { left: 10px; }
}
""",
    ".scss": """// Doors.
@use "sass:math";
$width: 3px;

/// Opens a door.
/// @param {Number} $x
@mixin open($x: 1) {
  width: $x;
  &:hover {
    color: red;
  }
}

@function double($n) {
  @return $n * 2;
}

%wide {
  width: 10px;
}

.door {
  @include open(2);
  .key {
    color: red;
  }
}
""",
    ".bzl": '''"""Doors."""

load("@x//:y.bzl", "z")

WIDTH = 3

# Helper.
def _impl(ctx):
    """Opens a door.

    Args:
      ctx: context
    """
    out = ctx.actions.declare_file("a")
    return [DefaultInfo(files = depset([out]))]

door = rule(
    implementation = _impl,
    attrs = {
        "srcs": attr.label_list(),
    },
)

cc_library(
    name = "doors",
    srcs = ["a.cc"],
)
''',
    ".f90": """!> Doors.
module door_mod
  use iso_fortran_env
  implicit none

  type :: door
    integer :: width
  contains
    procedure :: open => door_open
  end type door

  interface area
    module procedure area_int
  end interface

contains

  !> Opens a door.
  subroutine door_open(self, key)
    class(door), intent(inout) :: self
    integer, intent(in) :: key
    self%width = key
  end subroutine door_open

  !> The area.
  pure function area_int(x) result(a)
    integer, intent(in) :: x
    integer :: a
    a = x * x
  end function area_int

end module door_mod

submodule (door_mod) door_sub
contains
  module procedure shut
    x = 1
  end procedure shut
end submodule

program main
  use door_mod
  print *, 1
end program main
""",
    ".d": """module door.core;

import std.stdio;

/// A door.
class Door : Base {
    int width;

    this(int w) {
        width = w;
    }

    /**
     * Opens.
     */
    void open(Key k) const {
        writeln(k);
    }

    ~this() {
        width = 0;
    }
}

struct Key(T) {
    T id;
}

interface Lock {
    void lock();
}

enum Kind {
    a,
    b
}

template Foo(T) {
    T x;
}

T area(T)(T x) if (is(T : int)) {
    return x * x;
}

unittest {
    assert(1);
}

void main() {
    writeln(1);
}
""",
    ".nim": """import std/strutils

const width = 3

type
  Door* = object
    name*: string
  Kind = enum
    a, b

# Opens.
proc open*(d: Door, k: int): Door =
  ## Opens a door.
  result = d
  echo k

func area(x: int): int =
  x * x

template withDoor(d: untyped) =
  echo d

macro m(x: untyped): untyped =
  x

iterator items(d: Door): int =
  yield 1

method shut(d: Door) {.base.} =
  discard

when isMainModule:
  proc inner() =
    echo 1
  inner()
""",
    ".pas": """unit Door;

interface

uses SysUtils;

type
  { A door. }
  TDoor = class(TObject)
  private
    FWidth: Integer;
  public
    constructor Create(AWidth: Integer);
    procedure Open(Key: Integer);
  end;

  TKey = record
    Id: Integer;
  end;

function Area(X: Integer): Integer;

implementation

// The area.
function Area(X: Integer): Integer;
begin
  Result := X * X;
end;

constructor TDoor.Create(AWidth: Integer);
begin
  FWidth := AWidth;
end;

procedure TDoor.Open(Key: Integer);
begin
  FWidth := Key;
end;

end.
""",
    ".adb": """with Ada.Text_IO;

-- Doors.
package body Doors is

   type Door is record
      Width : Integer;
   end record;

   -- Opens a door.
   procedure Open (D : in out Door; K : Integer) is
      X : Integer;
   begin
      D.Width := K;
   end Open;

   function Area (X : Integer) return Integer is
   begin
      return X * X;
   end Area;

   task body Worker is
   begin
      null;
   end Worker;

begin
   null;
end Doors;
""",
    ".sv": """`include "x.vh"

// A door.
module door #(
  parameter W = 3
) (
  input logic clk,
  output logic [W-1:0] q
);
  // Opens.
  function automatic int open(int x);
    return x + 1;
  endfunction

  task shut(input int y);
    q = y;
  endtask

  always_ff @(posedge clk) begin
    q <= 1;
  end
endmodule

package keys;
  typedef struct packed {
    logic a;
  } key_t;
endpackage

class Lock extends Base;
  int x;
  function new();
    x = 1;
  endfunction
  virtual task run();
    x = 2;
  endtask
endclass

interface bus(input clk);
  logic a;
endinterface
""",
    ".vhd": """library ieee;
use ieee.std_logic_1164.all;

-- A door.
entity door is
  port (
    clk : in std_logic
  );
end entity door;

architecture rtl of door is
  signal x : integer;
begin
  -- Opens.
  opener : process (clk)
  begin
    x <= 1;
  end process;
end architecture rtl;

package keys is
  function area(x : integer) return integer;
end package keys;

package body keys is
  function area(x : integer) return integer is
  begin
    return x;
  end function;
  procedure shut(x : integer) is
  begin
    null;
  end procedure;
end package body;
""",
    ".glsl": """#version 450

layout(location = 0) in vec3 pos;

uniform Camera {
  mat4 view;
} cam;

struct Light {
  vec3 color;
};

// Shades.
vec3 shade(in vec3 n, Light l) {
  return n * l.color;
}

void main() {
  gl_Position = vec4(pos, 1.0);
}
""",
    ".hlsl": """cbuffer Camera : register(b0) {
  float4x4 view;
};

struct Light {
  float3 color : COLOR;
};

// Shades.
float4 shade(float3 n : NORMAL, Light l) : SV_Target {
  return float4(n * l.color, 1);
}
""",
    ".wgsl": """struct Light {
  color: vec3<f32>,
}

@group(0) @binding(0) var<uniform> light: Light;

// Shades.
@vertex
fn main(@location(0) pos: vec3<f32>) -> @builtin(position) vec4<f32> {
  return vec4<f32>(pos, 1.0);
}

fn shade(x: f32) -> f32 {
  return x;
}
""",
    ".thrift": """namespace py door

include "x.thrift"

/** A door. */
struct Door {
  1: required string name,
  2: i32 width = 3
}

enum Kind {
  A = 1,
  B
}

typedef i32 Id
const i32 MAX = 3

exception Jammed {
  1: string why
}

union U {
  1: i32 a
}

/** Doors. */
service Doors extends Base {
  /** Opens. */
  Door open(1: Id id, 2: string key) throws (1: Jammed j),

  oneway void shut(1: Id id)
}
""",
    ".prisma": """generator client {
  provider = "prisma-client-js"
}

datasource db {
  provider = "postgresql"
}

/// A door.
model Door {
  id   Int    @id
  name String
}

enum Kind {
  A
  B
}

type Photo {
  a Int
}
""",
    ".tcl": """package require Tcl 8.6

namespace eval door {
    variable width 3

    # Opens a door.
    proc open {door key} {
        return $key
    }
}

proc door::shut {d} {
    puts $d
}

oo::class create Door {
    constructor {w} {
        set x 1
    }
    method open {k} {
        return $k
    }
}
""",
    ".vim": """" Doors.
let g:door_width = 3

" Opens a door.
function! door#open(key) abort
  echo a:key
endfunction

function s:shut() abort
  return 1
endfunction

command! DoorOpen call door#open(1)

augroup door
  autocmd!
  autocmd BufRead * call s:shut()
augroup END

if has('nvim')
  func! Inner()
    return 2
  endfunc
endif
""",
    ".fish": """set -g width 3

# Opens a door.
function open_door --argument key
    echo $key
end

function shut
    if true
        echo 1
    end
end
""",
    ".rego": """package door

import future.keywords

default allow := false

# Opens a door.
allow if {
    input.key == 1
    not jammed
}

jammed contains x if {
    x := input.doors[_]
}

area(x) := y if {
    y := x * x
}
""",
    ".gd": """extends Node
class_name Door

var width = 3

# Opens.
func open(key):
	width = key

class Lock:
	var x = 1
	func shut():
		x = 2
""",
}

# By suffix: kind, symbol, title and lines of each chunk.
OTHER_FOUND: dict[str, list[tuple[str, str, str, int, int]]] = {
    ".hs": [
        ("module", "<module>", "", 1, 4),
        ("class", "Door", "", 6, 10),
        ("class", "Key", "", 12, 12),
        ("class", "Doors", "", 14, 14),
        ("function", "open", "", 16, 24),
        ("class", "Shut", "", 26, 26),
        ("method", "Shut.shut", "class Shut a where", 27, 28),
        ("class", "Shut Door", "", 30, 30),
        ("method", "Shut Door.shut", "instance Shut Door where", 31, 31),
        ("module", "<module>", "", 33, 33),
        ("function", "<+>", "", 34, 35),
        ("function", "main", "", 37, 40),
    ],
    ".purs": [
        ("module", "<module>", "", 1, 3),
        ("class", "Door", "", 5, 8),
        ("function", "open", "", 10, 14),
        ("class", "Shut", "", 16, 17),
        ("class", "shutDoor", "", 19, 19),
        ("method", "shutDoor.shut", "instance shutDoor :: Shut Door where", 20, 20),
    ],
    ".elm": [
        ("module", "<module>", "", 1, 3),
        ("class", "Door", "", 6, 11),
        ("class", "Msg", "", 14, 16),
        ("function", "open", "", 19, 28),
        ("module", "<module>", "", 31, 31),
        ("function", "main", "", 34, 35),
    ],
    ".fs": [
        ("module", "<module>", "", 1, 3),
        ("class", "Key", "", 5, 8),
        ("class", "Shape", "", 10, 12),
        ("module", "Doors", "", 14, 17),
        ("function", "Doors.open'", "module Doors", 18, 20),
        ("function", "Doors.shut", "module Doors", 22, 23),
        ("class", "Door", "", 25, 26),
        ("method", "Door.Name", "type Door(name: string)", 27, 27),
        ("method", "Door.Open", "type Door(name: string)", 28, 31),
        ("method", "Door.Make", "type Door(name: string)", 32, 33),
        ("class", "Door", "type Door(name: string)", 34, 34),
        ("method", "Door.Dispose", "type Door(name: string)", 35, 36),
        ("class", "Tree", "", 38, 40),
        ("function", "opens a door", "", 42, 44),
        ("function", "main", "", 46, 49),
    ],
    ".nix": [
        ("module", "<module>", "", 1, 3),
        ("function", "mkDoor", "", 4, 8),
        ("module", "<module>", "", 10, 13),
        ("class", "options.services.door", "", 14, 15),
        ("method", "options.services.door.width", "options.services.door =", 17, 22),
        ("function", "config", "", 24, 30),
        ("module", "<module>", "", 32, 33),
    ],
    ".jsonnet": [
        ("module", "<module>", "", 1, 3),
        ("function", "mkDoor", "", 4, 6),
        ("module", "<module>", "", 8, 9),
        ("function", "open", "", 10, 13),
    ],
    ".clj": [
        ("module", "<module>", "", 1, 5),
        ("function", "open", "", 7, 12),
        ("function", "shut", "", 14, 15),
        ("function", "with-door", "", 17, 18),
        ("class", "Lock", "", 20, 23),
        ("class", "Door", "", 25, 29),
        ("function", "area", "", 31, 31),
        ("function", "area", "", 32, 33),
        ("module", "<module>", "", 35, 36),
        ("function", "open-test", "", 38, 39),
        ("module", "<module>", "", 41, 41),
        ("function", "only-clj", "", 42, 43),
    ],
    ".el": [
        ("module", "<module>", "", 1, 4),
        ("class", "door", "", 6, 8),
        ("class", "door-width", "", 10, 12),
        ("module", "<module>", "", 14, 14),
        ("class", "door-keys", "", 16, 17),
        ("function", "door-open", "", 19, 24),
        ("function", "door-with", "", 26, 27),
        ("function", "door-shut", "", 29, 31),
        ("function", "door-lock", "", 33, 34),
        ("class", "door", "", 36, 38),
        ("function", "door-mode", "", 40, 43),
        ("class", "door-face", "", 45, 47),
        ("module", "<module>", "", 49, 50),
    ],
    ".lisp": [
        ("module", "<module>", "", 1, 3),
        ("function", "open-door", "", 5, 9),
        ("function", "with-door", "", 11, 12),
        ("class", "door", "", 14, 16),
        ("function", "shut", "", 18, 19),
        ("function", "lock", "", 21, 22),
        ("class", "key", "", 24, 25),
        ("class", "jammed", "", 27, 28),
        ("module", "<module>", "", 29, 29),
        ("function", "inner", "", 30, 31),
    ],
    ".scm": [
        ("module", "<module>", "", 1, 4),
        ("function", "open", "", 6, 10),
        ("function", "shut", "", 12, 14),
        ("function", "with-door", "", 16, 18),
        ("class", "door", "", 20, 23),
        ("function", "lock", "", 25, 26),
        ("function", "key", "", 28, 29),
    ],
    ".rkt": [
        ("module", "<module>", "", 1, 4),
        ("function", "open", "", 6, 10),
        ("function", "curried", "", 12, 13),
        ("class", "door", "", 15, 16),
        ("function", "with-door", "", 18, 19),
        ("class", "door%", "", 21, 22),
        ("method", "door%.shut", "(define door%", 23, 24),
        ("class", "door%", "(define door%", 25, 25),
        ("function", "lock", "", 27, 29),
        ("module", "test", "", 31, 32),
    ],
    ".css": [
        ("module", "<module>", "", 1, 19),
        ("class", "open", "", 21, 24),
    ],
    ".scss": [
        ("module", "<module>", "", 1, 3),
        ("function", "open", "", 5, 12),
        ("function", "double", "", 14, 16),
        ("module", "<module>", "", 18, 27),
    ],
    ".bzl": [
        ("module", "<module>", "", 1, 5),
        ("function", "_impl", "", 7, 15),
        ("module", "<module>", "", 17, 22),
        ("class", "doors", "", 24, 27),
    ],
    ".f90": [
        ("module", "door_mod", "", 1, 4),
        ("class", "door_mod.door", "module door_mod", 6, 10),
        ("class", "door_mod.area", "module door_mod", 12, 14),
        ("module", "door_mod", "module door_mod", 16, 16),
        ("function", "door_mod.door_open", "module door_mod", 18, 23),
        ("function", "door_mod.area_int", "module door_mod", 25, 32),
        ("module", "door_sub", "", 34, 35),
        ("function", "door_sub.shut", "submodule (door_mod) door_sub", 36, 39),
        ("module", "main", "", 41, 44),
    ],
    ".d": [
        ("module", "<module>", "", 1, 3),
        ("class", "Door", "", 5, 7),
        ("method", "Door.this", "class Door : Base", 9, 11),
        ("method", "Door.open", "class Door : Base", 13, 18),
        ("method", "Door.~this", "class Door : Base", 20, 23),
        ("class", "Key", "", 25, 27),
        ("class", "Lock", "", 29, 29),
        ("method", "Lock.lock", "interface Lock", 30, 31),
        ("class", "Kind", "", 33, 36),
        ("module", "Foo", "", 38, 40),
        ("function", "area", "", 42, 44),
        ("function", "unittest", "", 46, 48),
        ("function", "main", "", 50, 52),
    ],
    ".nim": [
        ("module", "<module>", "", 1, 5),
        ("class", "Door", "", 6, 7),
        ("class", "Kind", "", 8, 9),
        ("function", "open", "", 11, 15),
        ("function", "area", "", 17, 18),
        ("function", "withDoor", "", 20, 21),
        ("function", "m", "", 23, 24),
        ("function", "items", "", 26, 27),
        ("function", "shut", "", 29, 30),
        ("module", "<module>", "", 32, 32),
        ("function", "inner", "", 33, 34),
        ("module", "<module>", "", 35, 35),
    ],
    ".pas": [
        ("module", "<module>", "", 1, 7),
        ("class", "TDoor", "", 8, 15),
        ("class", "TKey", "", 17, 19),
        ("module", "<module>", "", 21, 23),
        ("function", "Area", "", 25, 29),
        ("function", "TDoor.Create", "", 31, 34),
        ("function", "TDoor.Open", "", 36, 41),
    ],
    ".adb": [
        ("module", "<module>", "", 1, 1),
        ("module", "Doors", "", 3, 4),
        ("class", "Doors.Door", "package body Doors is", 6, 8),
        ("function", "Doors.Open", "package body Doors is", 10, 15),
        ("function", "Doors.Area", "package body Doors is", 17, 20),
        ("class", "Doors.Worker", "package body Doors is", 22, 25),
        ("module", "Doors", "package body Doors is", 27, 29),
    ],
    ".sv": [
        ("module", "<module>", "", 1, 1),
        ("module", "door", "", 3, 9),
        ("function", "door.open", "module door #", 10, 13),
        ("function", "door.shut", "module door #", 15, 17),
        ("module", "door", "module door #", 19, 22),
        ("module", "keys", "", 24, 24),
        ("class", "keys.key_t", "package keys", 25, 28),
        ("class", "Lock", "", 30, 31),
        ("method", "Lock.new", "class Lock extends Base", 32, 34),
        ("method", "Lock.run", "class Lock extends Base", 35, 38),
        ("class", "bus", "", 40, 42),
    ],
    ".vhd": [
        ("module", "<module>", "", 1, 2),
        ("class", "door", "", 4, 9),
        ("module", "door.rtl", "", 11, 13),
        ("function", "door.rtl.opener", "architecture rtl of door is", 14, 19),
        ("module", "keys", "", 21, 23),
        ("module", "keys", "", 25, 25),
        ("function", "keys.area", "package body keys is", 26, 29),
        ("function", "keys.shut", "package body keys is", 30, 34),
    ],
    ".glsl": [
        ("module", "<module>", "", 1, 7),
        ("class", "Light", "", 9, 11),
        ("function", "shade", "", 13, 16),
        ("function", "main", "", 18, 20),
    ],
    ".hlsl": [
        ("module", "<module>", "", 1, 3),
        ("class", "Light", "", 5, 7),
        ("function", "shade", "", 9, 12),
    ],
    ".wgsl": [
        ("class", "Light", "", 1, 3),
        ("module", "<module>", "", 5, 5),
        ("function", "main", "", 7, 11),
        ("function", "shade", "", 13, 15),
    ],
    ".thrift": [
        ("module", "<module>", "", 1, 3),
        ("class", "Door", "", 5, 9),
        ("class", "Kind", "", 11, 14),
        ("module", "<module>", "", 16, 17),
        ("class", "Jammed", "", 19, 21),
        ("class", "U", "", 23, 25),
        ("class", "Doors", "", 27, 28),
        ("method", "Doors.open", "service Doors extends Base", 29, 30),
        ("method", "Doors.shut", "service Doors extends Base", 32, 33),
    ],
    ".prisma": [
        ("module", "<module>", "", 1, 7),
        ("class", "Door", "", 9, 13),
        ("class", "Kind", "", 15, 18),
        ("module", "<module>", "", 20, 22),
    ],
    ".tcl": [
        ("module", "<module>", "", 1, 1),
        ("module", "door", "", 3, 4),
        ("function", "door::open", "namespace eval door", 6, 10),
        ("function", "door::shut", "", 12, 14),
        ("class", "Door", "", 16, 16),
        ("method", "Door::constructor", "oo::class create Door", 17, 19),
        ("method", "Door::open", "oo::class create Door", 20, 23),
    ],
    ".vim": [
        ("module", "<module>", "", 1, 2),
        ("function", "door#open", "", 4, 7),
        ("function", "s:shut", "", 9, 11),
        ("module", "<module>", "", 13, 20),
        ("function", "Inner", "", 21, 23),
        ("module", "<module>", "", 24, 24),
    ],
    ".fish": [
        ("module", "<module>", "", 1, 1),
        ("function", "open_door", "", 3, 6),
        ("function", "shut", "", 8, 12),
    ],
    ".rego": [
        ("module", "<module>", "", 1, 3),
        ("function", "allow", "", 5, 11),
        ("function", "jammed", "", 13, 15),
        ("function", "area", "", 17, 19),
    ],
    ".gd": [
        ("module", "<module>", "", 1, 4),
        ("function", "open", "", 6, 8),
        ("class", "Lock", "", 10, 11),
        ("method", "Lock.shut", "class Lock:", 12, 13),
    ],
}
