// A form for any schema of the document. It edits the JSON of the editor in place, and keeps fields that it does not know.

import { createContext } from "preact";
import { useContext, useId } from "preact/hooks";
import { resolve, type Schema } from "../api/document.ts";
import { get, isObject, type Json, type Path } from "../json.ts";
import { Button, Text, Ticked } from "../parts/parts.tsx";
import { Bits, isBits } from "./bits.tsx";
import { Conversation, conversationFields } from "./conversation.tsx";
import { initial, needed } from "./initial.ts";
import { Scalar } from "./scalar.tsx";

export interface Editing {
  value: Json;
  /** Sets the value at a path. `undefined` removes it. */
  change: (path: Path, to: Json | undefined) => void;
  /** The service's message about the last request, and the path that it names. */
  problem: { path: Path; problem: string } | null;
}

const EditingContext = createContext<Editing>({ value: null, change: () => {}, problem: null });

export function Form({ schema, editing }: { schema: Schema; editing: Editing }) {
  return (
    <EditingContext.Provider value={editing}>
      <Members schema={resolve(schema)} path={[]} />
    </EditingContext.Provider>
  );
}

export function useField(path: Path) {
  const { value, change, problem } = useContext(EditingContext);
  const wrong = problem && problem.path.join("/") === path.join("/") ? problem.problem : null;
  return { value: get(value, path), change: (to: Json | undefined) => change(path, to), wrong };
}

/** The problem of an item of the list at this path, with the item's index. */
function useProblemBelow(path: Path): { at: number; problem: string } | null {
  const { problem } = useContext(EditingContext);
  const at = problem?.path[path.length];
  const isBelow = problem?.path.length === path.length + 1 && path.every((step, depth) => problem.path[depth] === step);
  return problem && isBelow && typeof at === "number" ? { at, problem: problem.problem } : null;
}

/** The fields of an object: first those that are present or required, then buttons that add the others. */
function Members({ schema, path }: { schema: Schema; path: Path }) {
  const { value } = useField(path);
  const { change } = useContext(EditingContext);
  const properties = schema.properties ?? {};
  const required = schema.required ?? [];
  const present = isObject(value) ? value : {};
  const conversation = conversationFields(properties);
  const names = Object.keys(properties).filter((name) => !conversation?.all.includes(name));
  // While no alternative is present, the form shows the first one.
  const alternatives = names.filter((name) => !required.includes(name) && needed(schema).includes(name));
  const isChosen = names.some((name) => !required.includes(name) && Object.hasOwn(present, name));
  const shown = names.filter(
    (name) => required.includes(name) || Object.hasOwn(present, name) || (!isChosen && alternatives.includes(name)),
  );
  const absent = names.filter((name) => !shown.includes(name));
  return (
    <div class="members">
      {shown.map((name) => (
        <Field
          key={name}
          name={name}
          schema={resolve(properties[name]!)}
          path={[...path, name]}
          onRemove={Object.hasOwn(present, name) && !required.includes(name) ? () => change([...path, name], undefined) : undefined}
        />
      ))}
      {conversation && <Conversation path={path} fields={conversation} />}
      {absent.length > 0 && (
        <div class="absent">
          {absent.map((name) => {
            const field = resolve(properties[name]!);
            return (
              <Button key={name} kind="quiet" icon="plus" onClick={() => change([...path, name], initial(field))}>
                {name}
              </Button>
            );
          })}
        </div>
      )}
    </div>
  );
}

interface FieldProps {
  name: string;
  schema: Schema;
  path: Path;
  onRemove: (() => void) | undefined;
}

function Field({ name, schema, path, onRemove }: FieldProps) {
  const isOfBits = isBits(name, schema);
  const exact = useField(path).wrong;
  const below = useProblemBelow(path);
  // A bit has no field of its own that could show its problem.
  const wrong = exact ?? (isOfBits ? (below?.problem ?? null) : null);
  const id = useId();
  const remove = onRemove && <Button kind="quiet" icon="close" label={`Remove ${name}`} onClick={onRemove} />;
  if (!isComposite(schema)) return <Scalar name={name} schema={schema} path={path} after={remove} />;
  return (
    <div class={wrong ? "composite wrong" : "composite"} role="group" aria-labelledby={id} aria-describedby={`${id}-about`}>
      <div class="composite-head">
        <span class="name" id={id}>
          {name}
        </span>
        {remove}
      </div>
      <div id={`${id}-about`}>
        <About schema={schema} wrong={wrong} />
      </div>
      {isOfBits ? (
        <Bits name={name} schema={schema} path={path} wrongAt={below?.at ?? null} />
      ) : schema.type === "array" ? (
        <Items name={name} schema={schema} path={path} />
      ) : (
        <Members schema={schema} path={path} />
      )}
    </div>
  );
}

/** The description of a field, or the service's message about its value. */
export function About({ schema, wrong, id }: { schema: Schema; wrong: string | null; id?: string }) {
  if (!schema.description && !wrong) return null;
  return (
    <p class={wrong ? "hint problem" : "hint"} id={id}>
      {wrong ? <Text>{wrong}</Text> : <Ticked text={firstSentence(schema.description ?? "")} />}
    </p>
  );
}

/** The reference has the whole description. */
function firstSentence(text: string): string {
  return /^.+?[.;](?=\s|$)/s.exec(text)?.[0].replace(/;$/, ".") ?? text;
}

function Items({ name, schema, path }: { name: string; schema: Schema; path: Path }) {
  const { value, change } = useField(path);
  const list = Array.isArray(value) ? value : [];
  const item = resolve(schema.items ?? {});
  return (
    <div class="items">
      {list.map((_, at) => (
        <div class="item" key={at} role="group" aria-label={`${name}[${at}]`}>
          <div class="item-head">
            <span class="ordinal">{at + 1}</span>
            <Button
              kind="quiet"
              icon="close"
              label={`Remove ${name}[${at}]`}
              onClick={() => change(list.filter((_, other) => other !== at))}
            />
          </div>
          {isComposite(item) ? (
            <ItemOf schema={item} path={[...path, at]} />
          ) : (
            <Scalar name={`${name}[${at}]`} schema={item} path={[...path, at]} />
          )}
        </div>
      ))}
      <Button kind="quiet" icon="plus" onClick={() => change([...list, initial(item)])}>
        Add to {name}
      </Button>
    </div>
  );
}

function ItemOf({ schema, path }: { schema: Schema; path: Path }) {
  const { wrong } = useField(path);
  return (
    <>
      {wrong && <About schema={{}} wrong={wrong} />}
      <Members schema={schema} path={path} />
    </>
  );
}

function isComposite(schema: Schema): boolean {
  return schema.type === "array" || schema.type === "object" || schema.properties !== undefined;
}
