"""Components of one file."""

COMPONENTS = {
    ".vue": """<!-- A door. -->
<script lang="ts">
export const width = 3

export default {
  name: 'Door',
}
</script>

<script setup lang="ts" generic="T extends Map<string, number>">
import { ref } from 'vue'

const props = defineProps<{ name: string }>()
const open = ref(false)

/** Opens the door. */
function toggle(key: number) {
  open.value = !open.value
  const s = '<style>'
}

const close = () => {
  open.value = false
}
</script>

<template>
  <div class="door" @click="toggle">
    <slot name="key" />
    <template v-if="open">
      <p>Come in</p>
    </template>
  </div>
</template>

<style scoped lang="scss">
.door {
  color: red;
}
</style>

<i18n>
{ "en": "door" }
</i18n>
""",
    ".svelte": """<script context="module">
  export function load() {
    return 1;
  }
</script>

<script>
  import { onMount } from 'svelte';
  export let name;
  $: doubled = name * 2;

  function open() {
    name = 1;
  }
</script>

<svelte:head><title>Door</title></svelte:head>

{#if name}
  <button on:click={open}>Open {name}</button>
{/if}

<style>
  button { color: red; }
</style>
""",
    ".astro": """---
import Door from './Door.astro';

interface Props {
  title: string;
}

const { title } = Astro.props;

function shout(s: string) {
  return s.toUpperCase();
}
---

<html lang="en">
  <body>
    <h1>{shout(title)}</h1>
    {items.map((one) => <Door name={one} />)}
  </body>
</html>

<style>
  h1 {
    color: red;
  }
</style>

<script>
  class Toggle extends HTMLElement {
    connectedCallback() {
      this.open = true;
    }
  }
</script>
<script is:inline src="./x.js"></script>
""",
}
