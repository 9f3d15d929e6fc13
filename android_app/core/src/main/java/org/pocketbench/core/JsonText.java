package org.pocketbench.core;

import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Map, List, long[], double[], String, Number, Boolean or null to JSON text. */
public final class JsonText {
    private final StringBuilder out = new StringBuilder();

    private JsonText() {}

    public static String of(Object value) {
        JsonText text = new JsonText();
        text.value(value);
        return text.out.toString();
    }

    private void value(Object value) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            number(value);
        } else if (value instanceof String) {
            string((String) value);
        } else if (value instanceof long[]) {
            longs((long[]) value);
        } else if (value instanceof double[]) {
            doubles((double[]) value);
        } else if (value instanceof Map) {
            object((Map<?, ?>) value);
        } else if (value instanceof List) {
            list((List<?>) value);
        } else {
            throw new IllegalArgumentException("JSON has no " + value.getClass().getName());
        }
    }

    private void number(Object value) {
        if (value instanceof Double && (((Double) value).isNaN() || ((Double) value).isInfinite())) {
            throw new IllegalArgumentException("JSON has no " + value);
        }
        out.append(value);
    }

    private void object(Map<?, ?> map) {
        String before = "{";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(before);
            string((String) entry.getKey());
            out.append(':');
            value(entry.getValue());
            before = ",";
        }
        out.append(map.isEmpty() ? "{}" : "}");
    }

    private void list(List<?> list) {
        out.append('[');
        for (Iterator<?> values = list.iterator(); values.hasNext(); ) {
            value(values.next());
            out.append(values.hasNext() ? "," : "");
        }
        out.append(']');
    }

    private void longs(long[] values) {
        out.append('[');
        for (int i = 0; i < values.length; i++) {
            out.append(i == 0 ? "" : ",").append(values[i]);
        }
        out.append(']');
    }

    private void doubles(double[] values) {
        out.append('[');
        for (int i = 0; i < values.length; i++) {
            out.append(i == 0 ? "" : ",");
            number(values[i]);
        }
        out.append(']');
    }

    private void string(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char next = text.charAt(i);
            if (next == '"' || next == '\\') {
                out.append('\\').append(next);
            } else if (next < ' ' || Character.isSurrogate(next)) {
                out.append(String.format("\\u%04x", (int) next));
            } else {
                out.append(next);
            }
        }
        out.append('"');
    }
}
