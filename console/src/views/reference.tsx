// The reference of one call: its fields with meaning and limits, and the codes that it returns.

import { explain, resolve, type Call, type Schema } from "../api/document.ts";
import { bitNames } from "../form/bits.tsx";
import { choicesOf, kindOf, span } from "../form/initial.ts";
import { Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";

export function Reference({ call }: { call: Call }) {
  return (
    <section class="reference" aria-labelledby="reference-title">
      <h2 id="reference-title">Reference</h2>
      <div class="reference-columns">
        <div>
          <h3>Fields</h3>
          <Fields schema={resolve(call.schema)} />
        </div>
        <div>
          <h3>Codes</h3>
          <dl class="codes-brief">
            {call.codes.map((code) => (
              <div key={code}>
                <dt>
                  <a href={link("codes", String(code))}>{code}</a>
                </dt>
                <dd><Ticked text={explain(code, call.family)?.meaning ?? ""} /></dd>
              </div>
            ))}
          </dl>
        </div>
      </div>
    </section>
  );
}

function Fields({ schema }: { schema: Schema }) {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return <p class="empty">None.</p>;
  return (
    <dl class="fields">
      {properties.map(([name, property]) => {
        const field = resolve(property);
        const inner = nested(field);
        return (
          <div key={name}>
            <dt>
              <code class="name">{name}</code> <span class="type">{typeOf(field)}</span>
              {schema.required?.includes(name) && <span class="required">required</span>}
            </dt>
            <dd>
              {field.description && <p><Ticked text={field.description} /></p>}
              {limits(field) && <p class="limits">{limits(field)}</p>}
              {inner && <Fields schema={inner} />}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function nested(schema: Schema): Schema | null {
  const inner = schema.items ? resolve(schema.items) : schema;
  return inner.properties ? inner : null;
}

function typeOf(schema: Schema): string {
  const kind = kindOf(schema);
  return kind === "array" ? `array of ${kindOf(resolve(schema.items ?? {}))}s` : kind;
}

function limits(schema: Schema): string {
  const item = schema.items ? resolve(schema.items) : undefined;
  const names = bitNames(schema);
  return [
    span(schema.minItems, schema.maxItems, "items"),
    span(schema.minLength, schema["x-maxBytes"] ?? schema.maxLength, "bytes"),
    span(schema.minimum, schema.maximum),
    item && span(item.minimum, item.maximum, "each"),
    names && Object.entries(names).map(([bit, name]) => `${bit} ${name}`).join(" · "),
    choicesOf(schema).map(({ value, title }) => (String(value) === title ? title : `${value}: ${title}`)).join(" · "),
    schema["x-limit"] && `limit ${schema["x-limit"]}`,
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
