package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import org.junit.Test;

public class JsonTest {
    private static void refused(String text) {
        assertThrows(text, Refused.class, () -> Json.read(text));
    }

    @Test
    public void valuesComeOutAsTheyAre() throws Refused {
        assertEquals(Arrays.asList(1L, -2.5, true, null, "a\u00e9\n\"\ud83d\ude00"),
                Json.read(" [1, -2.5 ,true,null, \"a\\u00e9\\n\\\"\\ud83d\\ude00\"]\n"));
        assertEquals(Collections.emptyMap(), Json.read("{}"));
        assertEquals(Collections.emptyList(), Json.read("[ ]"));
        assertEquals(9007199254740993L, Json.read("9007199254740993"));
        assertEquals(1e300, Json.read("1E+300"));
    }

    @Test
    public void whatIsNoJsonIsRefused() {
        for (String text : new String[] {"", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "nul", "NaN", "01",
            "+1", "1.", ".5", "1e", "-", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\t\"", "[1]]", "'a'", "1e999",
            "-Infinity"}) {
            refused(text);
        }
    }

    @Test
    public void aKeyTwiceIsRefused() {
        refused("{\"a\":1,\"a\":2}");
    }

    @Test
    public void nestingIsBounded() throws Refused {
        String deep = String.join("", Collections.nCopies(Json.DEEPEST, "["));
        Json.read(deep + deep.replace('[', ']'));
        refused(String.join("", Collections.nCopies(100_000, "[")));
    }

    @Test
    public void whatIsWrittenIsReadAgain() throws Refused {
        String odd = "\"\\\u0001\u2028\ud83d\ude00 \ud83d";
        assertEquals(odd, Json.read(JsonText.of(odd)));
        assertEquals(Arrays.asList(1L, Long.MAX_VALUE), Arrays.asList(((java.util.List<?>) Json.read(
                JsonText.of(new long[] {1}))).get(0), Long.MAX_VALUE));
        assertEquals(Arrays.asList(0.1, 1e-300), Json.read(JsonText.of(new double[] {0.1, 1e-300})));
    }

    @Test
    public void aNumberThatJsonLacksIsNeverWritten() {
        assertThrows(IllegalArgumentException.class, () -> JsonText.of(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> JsonText.of(new double[] {Double.POSITIVE_INFINITY}));
        assertTrue(JsonText.of(Collections.emptyMap()).equals("{}"));
    }
}
