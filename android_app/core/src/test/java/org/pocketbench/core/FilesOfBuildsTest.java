package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Random;
import org.junit.Assume;
import org.junit.Test;

/** Real .tflite and .pte files (folder of the property pocketbench.builds), and damaged ones. */
public class FilesOfBuildsTest {
    private static File build(String name) {
        String folder = System.getProperty("pocketbench.builds");
        Assume.assumeTrue("no folder of builds", folder != null);
        return new File(folder, name);
    }

    @Test
    public void aTfliteFileTellsItsTensors() throws Refused {
        Tflite file = Tflite.of(build("dense_int8.tflite"));
        assertEquals("x", file.inputs.get(0).name);
        assertEquals("int8", file.inputs.get(0).dtype);
        assertEquals((double) 0.02f, file.inputs.get(0).scale, 0);
        assertEquals(3, (long) file.outputs.get(0).zeroPoint);
        assertEquals(1, file.operators);
        assertTrue(file.custom.isEmpty() && !file.hasVariables);
    }

    @Test
    public void aDynamicDimensionIsMinusOne() throws Refused {
        TensorSpec input = Tflite.of(build("dense_dynamic.tflite")).inputs.get(0);
        assertEquals("[-1, 8]", Arrays.toString(input.shape));
        assertEquals("[5, 8]", Arrays.toString(input.resized(new long[] {5, 8})));
        assertEquals(null, input.resized(new long[] {8}));
    }

    @Test
    public void aCustomOperatorIsNamed() throws Refused {
        Refused refused = Tflite.of(build("custom.tflite")).refused(new RuntimeException("status 3"));
        assertTrue(refused.getMessage(), refused.getMessage().contains("'MagicFilter'"));
    }

    @Test
    public void aPteFileTellsItsTensorsAndDelegates() throws Refused {
        Pte file = Pte.of(build("dense.pte"));
        assertEquals("[1, 8]", Arrays.toString(file.inputs.get(0).shape));
        assertEquals("float32", file.outputs.get(0).dtype);
        assertEquals("XnnpackBackend", file.delegates);
        assertEquals("int64", Pte.of(build("doubled_int64.pte")).inputs.get(0).dtype);
        assertEquals("", Pte.of(build("doubled_int64.pte")).delegates);
    }

    @Test
    public void aDamagedFileIsRefusedAndNothingElseHappens() throws Exception {
        Random random = new Random(7);
        for (String name : new String[] {"dense.tflite", "dense.pte"}) {
            byte[] sound = Files.readAllBytes(build(name).toPath());
            for (int i = 0; i < 3000; i++) {
                byte[] bytes = i < 600 ? Arrays.copyOf(sound, random.nextInt(sound.length)) : sound.clone();
                for (int j = 0; i >= 600 && j < 8; j++) {
                    bytes[random.nextInt(Math.min(bytes.length, 2048))] = (byte) random.nextInt();
                }
                readQuietly(name, bytes);
            }
        }
    }

    /** Refused or read; any other exception ends the test. */
    private static void readQuietly(String name, byte[] bytes) {
        try {
            FlatBuffer data = new FlatBuffer(ByteBuffer.wrap(bytes));
            assertNotNull(name.endsWith("pte") ? (Object) new Pte(data) : new Tflite(data));
        } catch (Refused | IndexOutOfBoundsException expected) {
            assertTrue(name, bytes.length >= 0);
        }
    }

    @Test
    public void anEmptyFileIsRefused() throws Exception {
        File empty = File.createTempFile("empty", ".pte");
        assertThrows(Refused.class, () -> Pte.of(empty));
        assertThrows(Refused.class, () -> Tflite.of(empty));
    }
}
